import { isDnsName } from "./config/grammar.ts";
import { parseAddress } from "./config/net.ts";
import type { Ctx } from "./ctx.ts";

/** A node of the cluster, as this node knows it. */
export interface Peer {
  name: string;
  /** IPv4 address that the other nodes reach it at. */
  ip: string;
  /** Block of its pods; undefined while it has none. */
  podCidr?: string;
  master: boolean;
}

/**
 * The nodes of the cluster, this one among them, by name. `paths.peers` holds the others: join writes it first, and the daemon
 * keeps it as the API has it, so that a node without an API server at hand still knows where its masters are.
 */
export async function readPeers({ host, node, config, paths }: PeerCtx): Promise<Peer[]> {
  const self: Peer = {
    name: node.name,
    ip: node.ip,
    podCidr: node.podCidr,
    master: config.role === "master",
  };
  const others = parsePeers((await host.read(paths.peers)) ?? "[]").filter(({ name }) => name !== self.name);
  return [...others, self].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The masters but for this node. */
export async function otherMasters(ctx: PeerCtx): Promise<Peer[]> {
  return (await readPeers(ctx)).filter(({ master, name }) => master && name !== ctx.node.name);
}

type PeerCtx = Pick<Ctx, "host" | "node" | "config" | "paths">;

/** The peers with these masters among them: what the list has as something else, or not at all, is a master all the same. */
export function withMasters(peers: readonly Peer[], masters: readonly Peer[]): Peer[] {
  const same = (one: Peer) => (other: Peer) => other.name === one.name || other.ip === one.ip;
  return [
    ...peers.map((peer) => (masters.some(same(peer)) ? { ...peer, master: true } : peer)),
    ...masters.filter((master) => !peers.some(same(master))),
  ];
}

/** The text of `paths.peers`; the same list gives the same text. */
export function peersText(peers: readonly Peer[]): string {
  const sorted = peers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const lines = sorted.map(({ name, ip, podCidr, master }) =>
    JSON.stringify({ name, ip, ...(podCidr && { podCidr }), master }),
  );
  return `[\n${lines.join(",\n")}\n]\n`;
}

/** The nodes of such a text. What cannot be read is nobody: the daemon writes the file anew. */
export function parsePeers(text: string): Peer[] {
  try {
    const list = JSON.parse(text) as unknown;
    return Array.isArray(list) ? list.filter(isPeer) : [];
  } catch {
    return [];
  }
}

/** Names and addresses go into the configuration of programs, so they are what they should be, or nobody's. */
function isPeer(value: unknown): value is Peer {
  const { name, ip, master } = (value ?? {}) as Partial<Peer>;
  if (typeof name !== "string" || typeof ip !== "string" || typeof master !== "boolean") return false;
  return isDnsName(name) && parseAddress(ip)?.family === 4;
}
