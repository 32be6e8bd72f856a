import type { Plan } from "../check.ts";
import { DEFAULT_ROUTE, parseRoutes, type Route } from "../../host/routes.ts";
import { networkOf } from "../parse.ts";
import { portsOf } from "../ports.ts";
import type { HostProbe, Listener, ProbedAddress } from "../probe.ts";
import { readConfig } from "./machine.ts";

/** Interfaces, names and who filters packets. */
export interface NetworkFacts {
  addresses: readonly ProbedAddress[];
  networks: readonly Route[];
  listeners: readonly Listener[];
  /** Another host has the address that the masters are to have in common. */
  vipAnswers: boolean;
  /** Names of all interfaces, with an address or without. */
  interfaces: readonly string[];
  /** Of the interface that has the node's address; undefined when none has it. */
  mtu: number | undefined;
  /** What `iptables -S` prints; undefined when it could not be asked. */
  firewallRules: string | undefined;
  /** What `nft -j list ruleset` prints; undefined when it could not be asked. */
  nftRules: string | undefined;
  hostname: string;
  /** Names of `/etc/hosts`. */
  hostsNames: readonly string[];
  /** The host's own name is known to a library of the host, without a file. */
  knowsItself: boolean;
  /** Name servers of `/etc/resolv.conf`. */
  nameServers: readonly string[];
  /** What NetworkManager is told to leave alone, all lines together. */
  unmanagedDevices: string;
}

const NETWORK_MANAGER = {
  file: "/etc/NetworkManager/NetworkManager.conf",
  dirs: ["/usr/lib/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/etc/NetworkManager/conf.d"],
};

/** Looks at the network. It asks no name server: what it asks could leave the host. */
export async function lookAtNetwork(probe: HostProbe, plan: Plan): Promise<NetworkFacts> {
  const addresses = probe.addresses();
  const uplink = addresses.find(({ address }) => address === plan.node.ip)?.interface;
  const [routes, listeners, interfaces, mtu, firewallRules, nftRules, names, unmanagedDevices, vipAnswers] =
    await Promise.all([
      probe.readText("/proc/net/route"),
      probe.listeners(portsOf(plan).map(({ port }) => port)),
      probe.list("/sys/class/net"),
      uplink === undefined ? undefined : probe.readText(`/sys/class/net/${uplink}/mtu`),
      probe.firewallRules(),
      probe.nftRules(),
      lookAtNames(probe),
      readUnmanaged(probe),
      hasVip(probe, plan),
    ]);
  const own = addresses.map((one) => ({ interface: one.interface, cidr: networkOf(one.cidr) }));
  const byRoute = parseRoutes(routes ?? "").filter(({ cidr }) => cidr !== DEFAULT_ROUTE);
  const all = [...byRoute, ...own];
  const networks = [...new Map(all.map((one) => [`${one.interface} ${one.cidr}`, one])).values()];
  return {
    ...names,
    addresses,
    networks,
    listeners,
    interfaces,
    mtu: mtu === undefined ? undefined : Number(mtu),
    firewallRules,
    nftRules,
    unmanagedDevices,
    vipAnswers,
  };
}

/** A node that is one already, or comes to a cluster, has or finds the address in use: by its own. */
async function hasVip(probe: HostProbe, { config, installed, joining }: Plan): Promise<boolean> {
  const { masterVip, apiPort, role } = config;
  if (masterVip === undefined || installed || joining || role !== "master") return false;
  return await probe.answers(masterVip, apiPort);
}

async function lookAtNames(probe: HostProbe) {
  const [hostname, hosts, sources, resolver] = await Promise.all([
    probe.readText("/proc/sys/kernel/hostname"),
    probe.readText("/etc/hosts"),
    probe.readText("/etc/nsswitch.conf"),
    probe.readText("/etc/resolv.conf"),
  ]);
  return {
    hostname: hostname?.trim() ?? "",
    hostsNames: wordsOf(hosts).flatMap(([, ...names]) => names),
    knowsItself: wordsOf(sources).some(([key, ...words]) => key === "hosts:" && words.includes("myhostname")),
    nameServers: wordsOf(resolver).flatMap(([key, server]) => (key === "nameserver" && server) || []),
  };
}

/** The words of each line, comments left out. */
function wordsOf(text = ""): string[][] {
  return text.split("\n").map((line) => line.replace(/#.*/, "").trim().split(/\s+/));
}

async function readUnmanaged(probe: HostProbe): Promise<string> {
  const texts = await readConfig(probe, NETWORK_MANAGER);
  const lines = texts.join("\n").matchAll(/^\s*unmanaged-devices\s*\+?=(.*)$/gm);
  return [...lines].map(([, devices]) => devices?.trim()).join(";");
}
