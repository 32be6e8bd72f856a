import { lstatSync, readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import type { Config } from "./config/config.ts";
import { firstSubnet, nthAddress } from "./config/net.ts";
import { ConfigError } from "./errors.ts";
import { DEFAULT_ROUTE, parseRoutes } from "./host/routes.ts";
import { HOST_PATH } from "./host/run.ts";

/** What the configuration leaves to be found out, settled. */
export interface NodeFacts {
  /** Name of the Node object, lower case. */
  name: string;
  ip: string;
  /** The interface with that address; undefined while no interface has it. */
  interface: string | undefined;
  /** Where other nodes reach the masters. */
  masterIp: string;
  clusterId: string;
  /** Address of the service `kubernetes`: the first of the services' block. */
  apiServiceIp: string;
  /** Address of the cluster's DNS service: the tenth of the services' block. */
  dnsIp: string;
  /** The block that this node's pods get their addresses from. */
  podCidr: string;
  /** Where nodelet itself reaches the API: on a master its own server, on a worker the balancer. */
  server: string;
  /** The balancer of this node, which leads to a master that is well: for the kubelet, kube-proxy and people. */
  balancer: string;
  /** It came to the cluster by join, so its etcd member and its authorities are from others. */
  joined: boolean;
  /** `linux/amd64` */
  platform: string;
  /** Whose container engine the node uses: the host's, or the one that the bundle brings. */
  runtime: "host" | "bundled";
}

/** An address that an interface of the host has. */
export interface HostAddress {
  interface: string;
  address: string;
  internal: boolean;
}

/** What the host says about itself. */
export interface HostNames {
  hostname: string;
  addresses: readonly HostAddress[];
  /** The interface of the default route, or undefined without one. */
  defaultInterface: string | undefined;
  /** The host has Docker: its unit, or its program. */
  hasDocker: boolean;
}

/** Asks the running host for its name and addresses. */
export function readHostNames(): HostNames {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? [])
      .filter((one) => one.family === "IPv4")
      .map((one) => ({ interface: name, address: one.address, internal: one.internal })),
  );
  return { hostname: hostname(), addresses, defaultInterface: defaultInterface(), hasDocker: hasDocker() };
}

/** Directories of unit files. @see systemd.unit(5) */
const UNIT_DIRS = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"].map(
  (dir) => `${dir}/systemd/system`,
);

/** A masked unit is a link to nowhere, and still somebody's decision. */
function hasDocker(): boolean {
  const isThere = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  return (
    UNIT_DIRS.some((dir) => isThere(`${dir}/docker.service`)) ||
    Bun.which("dockerd", { PATH: HOST_PATH }) !== null
  );
}

function defaultInterface(): string | undefined {
  const routes = parseRoutes(readFileSync("/proc/net/route", "utf8"));
  return routes.find(({ cidr }) => cidr === DEFAULT_ROUTE)?.interface;
}

/** What an earlier run settled. */
export interface RecordedFacts {
  nodeName?: string;
  nodeIp?: string;
  podCidr?: string;
  joined?: boolean;
  runtime?: NodeFacts["runtime"];
}

/**
 * Settles what the configuration leaves open.
 *
 * @param options `clusterId`: the id that an earlier run gave this host, or a new one; `bringsRuntime`: the bundle has a
 * container engine; `recorded`: what an earlier run settled, which a node keeps though its host is called otherwise or has
 * lost its address for a while
 * @throws ConfigError when the address of the node cannot be told
 */
export function nodeFacts(
  config: Config,
  options: { names: HostNames; clusterId: string; bringsRuntime: boolean; recorded?: RecordedFacts },
): NodeFacts {
  const ip = config.nodeIp ?? options.recorded?.nodeIp ?? addressOf(options.names);
  return {
    name: config.nodeName ?? options.recorded?.nodeName ?? options.names.hostname.toLowerCase(),
    ip,
    interface: options.names.addresses.find(({ address }) => address === ip)?.interface,
    masterIp: config.masterVip ?? config.masterIp ?? ip,
    clusterId: config.clusterId ?? options.clusterId,
    apiServiceIp: nthAddress(config.servicesCidr, 1),
    dnsIp: nthAddress(config.servicesCidr, 10),
    podCidr:
      config.podCidr ?? options.recorded?.podCidr ?? firstSubnet(config.containersCidr, config.nodeCidrMask),
    server: `https://127.0.0.1:${config.role === "worker" ? config.balancerPort : config.apiPort}`,
    balancer: `https://127.0.0.1:${config.balancerPort}`,
    joined: options.recorded?.joined ?? false,
    platform: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
    runtime: runtimeOf(config, options),
  };
}

/** Somebody who installs Docker on a node later does not make the node move to it. */
function runtimeOf(
  { containerRuntime }: Config,
  { names, bringsRuntime, recorded }: { names: HostNames; bringsRuntime: boolean; recorded?: RecordedFacts },
): NodeFacts["runtime"] {
  if (recorded?.runtime) return recorded.runtime;
  if (containerRuntime !== "auto") return containerRuntime;
  return names.hasDocker || !bringsRuntime ? "host" : "bundled";
}

/** The address of the default route's interface, or the only one there is outside of bridges for containers. */
function addressOf(names: HostNames): string {
  const outside = names.addresses.filter(
    (one) => !one.internal && !/^(docker|br-|cni|virbr|veth|flannel|pf9-)/.test(one.interface),
  );
  const byRoute = outside.find((one) => one.interface === names.defaultInterface);
  const only = outside.length === 1 ? outside[0] : undefined;
  const found = byRoute ?? only;
  if (found) return found.address;
  const list =
    outside
      .map((one) => `${one.address} (${one.interface})`)
      .sort()
      .join(", ") || "none";
  throw new ConfigError([
    `nodeIp: there is no default route to tell the address of this node by; its addresses: ${list}; set --node-ip`,
  ]);
}
