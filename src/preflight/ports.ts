import type { Config, ConfigKey } from "../config/config.ts";
import { type Plan, setting } from "./check.ts";
import { TUNNEL_PORT } from "../network/pod-routes.ts";
import type { Listener, Protocol } from "./probe.ts";

/** A port that the node will listen on. */
export interface NodePort {
  port: number;
  /** TCP where it is absent. */
  protocol?: Protocol;
  /** Who will listen, for messages. */
  use: string;
  /** The key that moves it; absent when it is fixed. */
  key?: ConfigKey;
  /** The setting with which the node does without it. */
  without?: string;
  /** Addresses that it is taken on; absent for all. */
  on?: readonly string[];
  master?: true;
}

const TUNNELS: NodePort = {
  port: TUNNEL_PORT,
  protocol: "udp",
  use: "pod network between nodes",
  without: `${setting("podNetworkBackend")} to host-gw where all nodes are on one network`,
};

/** The plugins of nodelet and flannel alone have tunnels at this port, unless they are told to do without. */
const hasTunnels = ({ networkPlugin, podNetworkBackend }: Config) =>
  ["bridge", "flannel"].includes(networkPlugin) && podNetworkBackend !== "host-gw";

/** The ports of a node, by its role. */
export function portsOf({ config, node }: Pick<Plan, "config" | "node">): NodePort[] {
  const loopback = ["127.0.0.1"];
  const ports: NodePort[] = [
    { port: config.apiPort, use: "API server", key: "apiPort", master: true },
    {
      port: config.etcdClientPort,
      use: "etcd clients",
      key: "etcdClientPort",
      on: ["127.0.0.1", node.ip],
      master: true,
    },
    { port: config.etcdPeerPort, use: "etcd peer", key: "etcdPeerPort", on: [node.ip], master: true },
    { port: config.joinPort, use: "joining nodes", key: "joinPort", master: true },
    { port: config.balancerPort, use: "API balancer", key: "balancerPort", on: loopback },
    { port: 2381, use: "etcd metrics", on: loopback, master: true },
    { port: 10248, use: "kubelet health", on: loopback },
    { port: 10249, use: "kube-proxy metrics", on: loopback },
    { port: 10250, use: "kubelet" },
    { port: 10256, use: "kube-proxy health", on: loopback },
    { port: 10257, use: "controller manager", on: loopback, master: true },
    { port: 10259, use: "scheduler", on: loopback, master: true },
    ...(hasTunnels(config) ? [TUNNELS] : []),
  ];
  return ports.filter(({ master }) => !master || config.role === "master");
}

/** True when the listener keeps the node from the port: same number, and an address in common. */
export function collides(port: NodePort, listener: Listener): boolean {
  if (port.port !== listener.port || (port.protocol ?? "tcp") !== listener.protocol) return false;
  const everywhere = listener.address === "0.0.0.0" || listener.address === "::";
  return everywhere || !port.on || port.on.includes(listener.address);
}

/** The command that ends a listener: its unit's or its container's, so that it is not started again; else a kill. */
export function stopCommand({ pid, cgroup }: Listener): string | undefined {
  const container = /docker[-/]([0-9a-f]{12})[0-9a-f]{52}/.exec(cgroup)?.[1];
  if (container) return `docker stop ${container}`;
  const unit = /\/([\w@:.\\-]+\.service)(?:\/|$)/m.exec(cgroup)?.[1];
  if (unit && !unit.startsWith("user@")) return `systemctl stop ${unit}`;
  return pid === undefined ? undefined : `kill ${pid}`;
}
