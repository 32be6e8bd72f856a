import { contains, nthAddress, overlaps, parseAddress, parseCidr } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import type { PeerRoute } from "../host/kinds/peer-routes.ts";
import type { TunnelLink } from "../host/kinds/tunnel.ts";
import { type Route, routeTo } from "../host/routes.ts";
import type { Peer } from "../peers.ts";

/** The interface of the tunnel between nodes. */
export const TUNNEL = "pf9-vxlan";

/** UDP port of the tunnel: Linux' own for VXLAN, and flannel's. IANA's, 4789, is taken on hosts with Docker Swarm or NSX. */
export const TUNNEL_PORT = 8472;

/** What a packet grows by in the tunnel: Ethernet 14, IPv4 20, UDP 8, VXLAN 8 bytes (RFC 7348, section 4.3 and 5). */
export const TUNNEL_BYTES = 50;

/** How the packets of pods reach the pods of other nodes. */
export interface PodRoutes {
  routes: PeerRoute[];
  /** Absent where no node needs it. */
  tunnel: TunnelLink | undefined;
  /** Nodes whose pods are not reached, and why; each a line. */
  left: string[];
}

/** What the routes are made of. */
export interface PodRoutesInput extends Pick<Ctx, "config" | "node"> {
  /** The nodes of the cluster. */
  peers: readonly Peer[];
  /** Of this host's main table. */
  hostRoutes: readonly Route[];
  /** MTU of the node's interface, in bytes. */
  mtu: number;
}

/**
 * Plans the routes to the pods of all other nodes: straight to a node on the same network, through the tunnel to any other.
 *
 * @throws AppError when the node's interface is not known; or when this is a node that joined a network which it is not on, though
 * `podNetworkBackend` wants it to be. The nodes that were there before go on without it
 */
export function podRoutes(input: PodRoutesInput): PodRoutes {
  const { config, node, mtu } = input;
  const { usable, left } = sift(input);
  if (usable.length > 0 && !node.interface) {
    throw new AppError(
      `Cannot route to the pods of ${usable[0]?.name}: no interface of this host has the node's address ${node.ip}`,
      { hint: "bring the interface up, or set --node-ip" },
    );
  }
  const isNear = ({ ip }: Peer) => {
    const route = routeTo(input.hostRoutes, ip);
    return route !== undefined && !route.gateway && route.interface === node.interface;
  };
  const near = usable.filter((peer) => config.podNetworkBackend !== "vxlan" && isNear(peer));
  const far = usable.filter((peer) => !near.includes(peer));
  const straight = config.podNetworkBackend === "host-gw";
  if (straight && far.length > 0 && near.length === 0 && node.joined) throw elsewhere(far, node);
  if (straight)
    left.push(...far.map((peer) => `${peer.name}: it is not on the network of ${node.interface}`));
  const tunnelled = straight ? [] : far;
  return {
    routes: [...near.map((peer) => nearRoute(peer, node)), ...tunnelled.map((peer) => farRoute(peer, node))],
    tunnel: tunnelled.length > 0 ? tunnelLink(tunnelled, { node, mtu }) : undefined,
    left,
  };
}

type Usable = Peer & { podCidr: string };

/** The nodes with a block of pods that can be theirs: it is in the cluster's, and nobody else's. */
function sift({ config, node, peers }: PodRoutesInput): { usable: Usable[]; left: string[] } {
  const all = block(config.containersCidr);
  const taken = [{ name: node.name, cidr: block(node.podCidr) }];
  const usable: Usable[] = [];
  const left: string[] = [];
  for (const peer of peers) {
    if (peer.name === node.name || !peer.podCidr) continue;
    const cidr = parseCidr(peer.podCidr);
    const other = cidr && taken.find((one) => overlaps(one.cidr, cidr));
    if (!cidr || !contains(all, cidr))
      left.push(`${peer.name}: its block ${peer.podCidr} is not in ${config.containersCidr}`);
    else if (other) left.push(`${peer.name}: its block ${peer.podCidr} overlaps that of ${other.name}`);
    else {
      taken.push({ name: peer.name, cidr });
      usable.push({ ...peer, podCidr: peer.podCidr });
    }
  }
  return { usable, left };
}

function elsewhere(far: readonly Usable[], node: Ctx["node"]): AppError {
  const names = far.map(({ name, ip }) => `${name} (${ip})`).join(", ");
  return new AppError(
    `Cannot route to the pods of other nodes: none of ${names} is on the network of ${node.interface} (${node.ip}); expected all nodes on one, as podNetworkBackend is host-gw`,
    { hint: "move the host to that network, or set podNetworkBackend: auto on all nodes" },
  );
}

function nearRoute({ podCidr, ip }: Usable, node: Ctx["node"]): PeerRoute {
  return { destination: podCidr, via: ip, interface: node.interface ?? "", source: node.ip };
}

/** The first address of a node's block is its end of the tunnel: no pod gets it. */
function farRoute({ podCidr, ip }: Usable, node: Ctx["node"]): PeerRoute {
  return {
    destination: podCidr,
    via: nthAddress(podCidr, 0),
    interface: TUNNEL,
    source: nthAddress(node.podCidr, 0),
    tunnel: { from: node.ip, to: ip },
  };
}

function tunnelLink(peers: readonly Usable[], { node, mtu }: { node: Ctx["node"]; mtu: number }): TunnelLink {
  return {
    port: TUNNEL_PORT,
    mac: macOf(node.ip),
    mtu: mtu - TUNNEL_BYTES,
    address: nthAddress(node.podCidr, 0),
    neighbours: peers.map(({ podCidr, ip }) => ({ address: nthAddress(podCidr, 0), mac: macOf(ip) })),
  };
}

/** The hardware address of a node's end of the tunnel: others know it by the node's address. Locally administered. */
export function macOf(ip: string): string {
  const value = parseAddress(ip)?.value ?? 0n;
  const bytes = [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString(16).padStart(2, "0"));
  return ["0a", "f9", ...bytes].join(":");
}

function block(text: string) {
  const cidr = parseCidr(text);
  if (!cidr) throw new TypeError(`${text} came from the configuration without being a CIDR`);
  return cidr;
}
