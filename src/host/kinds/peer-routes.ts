import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";

/** A route to the pods of another node. */
export interface PeerRoute {
  /** The block of the pods, for example `10.20.1.0/24`. */
  destination: string;
  via: string;
  interface: string;
  /** Address of this host that its own packets leave with. */
  source: string;
  /** The packets travel in others between these addresses. */
  tunnel?: { from: string; to: string };
}

/** All routes to the pods of other nodes, as one thing: what is not among them goes. */
export interface PeerRoutesWanted {
  routes: readonly PeerRoute[];
}

/** The routes of ours that the kernel had, by their blocks, in its own words. */
export interface PeerRoutesFound {
  routes: Record<string, string>;
}

/**
 * Marks a route as ours, so that those of nodes that are gone are found. No daemon is known to use this number.
 *
 * @see https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/rtnetlink.h (RTPROT_*)
 */
export const PEER_PROTOCOL = "109";

/** What marks packets in the tunnel. One cluster is on a network of nodes, and its tunnels have no need of another one. */
export const TUNNEL_ID = "1";

/** What all of them together are called. */
export const PEER_ROUTES = "to pods of other nodes";

/** Routes that nodelet keeps to the pods of other nodes. One of somebody else to the same block is never replaced. */
export const peerRoutesKind: Kind<PeerRoutesWanted, PeerRoutesFound> = {
  key: () => PEER_ROUTES,
  async read(machine) {
    const argv = ["ip", "-4", "route", "show", "table", "main", "proto", PEER_PROTOCOL];
    // A bare host has no program to ask before the bundle brings it, and no such route either.
    const shown = await machine.run(argv, { check: false }).catch(() => undefined);
    const lines = shown?.exitCode === 0 ? shown.stdout.split("\n").filter((line) => line.trim() !== "") : [];
    return { routes: Object.fromEntries(lines.map(parse)) };
  },
  same: (found, wanted) => Bun.deepEquals(found.routes, wordsByBlock(wanted)),
  async apply(machine, wanted) {
    const { routes: found } = await peerRoutesKind.read(machine, wanted);
    const next = wordsByBlock(wanted);
    await batch(machine, [
      ...Object.keys(found)
        .filter((block) => !(block in next))
        .map((block) => `route del ${block} proto ${PEER_PROTOCOL}`),
      // `add` refuses where somebody else has a route; `replace` would take it away for good.
      ...Object.entries(next)
        .filter(([block, words]) => found[block] !== words)
        .map(
          ([block, words]) =>
            `route ${block in found ? "replace" : "add"} ${block} ${words} proto ${PEER_PROTOCOL}`,
        ),
    ]);
  },
  async restore(machine) {
    const { routes } = await peerRoutesKind.read(machine, { routes: [] });
    await batch(
      machine,
      Object.keys(routes).map((block) => `route del ${block} proto ${PEER_PROTOCOL}`),
    );
  },
  describe: (found, wanted) => ({
    from: Object.keys(found.routes ?? {}).join(", ") || "none",
    to: wanted.routes.map(({ destination }) => destination).join(", ") || "none",
  }),
};

/** All lines, also past one that fails; the error has the words of those. */
async function batch(machine: Machine, lines: readonly string[]): Promise<void> {
  if (lines.length > 0)
    await machine.run(["ip", "-4", "-force", "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

function wordsByBlock({ routes }: PeerRoutesWanted): Record<string, string> {
  return Object.fromEntries(routes.map((route) => [route.destination, wordsOf(route)]));
}

/** As `ip route add` takes it, in an order of our own. */
function wordsOf({ via, interface: dev, source, tunnel }: PeerRoute): string {
  const encap = tunnel ? `encap ip id ${TUNNEL_ID} src ${tunnel.from} dst ${tunnel.to} ` : "";
  return `${encap}via ${via} dev ${dev} src ${source}${tunnel ? " onlink" : ""}`;
}

/** A line of `ip route show`: the block, and what {@linkcode wordsOf} would say of it. */
function parse(line: string): [string, string] {
  const [head = "", tail = ""] = line.split(" via ");
  const [block = "", ...encap] = head.trim().split(/\s+/);
  const [via = "", ...rest] = tail.trim().split(/\s+/);
  const value = (words: readonly string[], name: string) => words[words.indexOf(name) + 1] ?? "";
  const tunnel =
    encap[0] === "encap"
      ? `encap ip id ${value(encap, "id")} src ${value(encap, "src")} dst ${value(encap, "dst")} `
      : "";
  const source = rest.includes("src") ? ` src ${value(rest, "src")}` : "";
  const onlink = rest.includes("onlink") ? " onlink" : "";
  return [block, `${tunnel}via ${via} dev ${value(rest, "dev")}${source}${onlink}`];
}
