import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type Machine, placeOf } from "../machine.ts";
import type { Area, Facts } from "./footprint.ts";

/** One end of a container's cable: it comes and goes with the container, which is an area of its own. */
const PASSING = /^veth/;

/** Network interfaces. Whether a cable is in, and the counters, are nobody's setting. */
export const interfacesArea: Area = {
  name: "interfaces",
  async look({ machine }) {
    const dir = placeOf(machine, "/sys/class/net");
    if (!existsSync(dir)) return undefined;
    const names = readdirSync(dir).filter((name) => !PASSING.test(name) && name !== "bonding_masters");
    return Object.fromEntries(
      names.map((name) => [
        `interface ${name}`,
        `mtu ${read(machine, `/sys/class/net/${name}/mtu`)?.trim()}`,
      ]),
    );
  },
};

/**
 * Addresses that somebody set. Not among them: what IPv6 gives itself when a link comes up (fe80::), or takes from a router
 * for a time (without IFA_F_PERMANENT, 0x80). node:os leaves out those of a bridge without a cable.
 */
export const addressesArea: Area = {
  name: "addresses",
  async look({ machine }) {
    const trie = read(machine, "/proc/net/fib_trie");
    if (trie === undefined) return undefined;
    const v4 = [...trie.matchAll(/\|-- (\S+)\n\s+\/32 host LOCAL/g)].map(
      ([, address]) => `address ${address}`,
    );
    return {
      ...set(v4, (thing) => [thing]),
      ...set((read(machine, "/proc/net/if_inet6") ?? "").split("\n"), address6Of),
    };
  },
};

/** Address, number of the interface, prefix, scope (00 is global), flags, interface. */
function address6Of(line: string): string[] {
  const [address = "", , prefix = "", scope = "", flags = "", name = ""] = line.trim().split(/\s+/);
  if (scope !== "00" || !(Number.parseInt(flags, 16) & 0x80) || PASSING.test(name)) return [];
  return [`address ${groups(address)}/${Number.parseInt(prefix, 16)} on ${name}`];
}

/** Routes of the main table, from the kernel itself: a bare host need not have `ip`. */
export const routesArea: Area = {
  name: "routes",
  async look({ machine }) {
    const v4 = read(machine, "/proc/net/route");
    if (v4 === undefined) return undefined;
    const v6 = read(machine, "/proc/net/ipv6_route") ?? "";
    return {
      ...set(v4.split("\n").slice(1), routeOf),
      ...set(v6.split("\n"), route6Of),
    };
  },
};

/** Rules for which table a packet is routed by. Only `ip` tells them. */
export const rulesArea: Area = {
  name: "routing rules",
  async look({ machine }) {
    const found = await Promise.all(
      ["-4", "-6"].map((family) =>
        machine.run(["ip", family, "rule"], { check: false, timeoutMs: 5000 }).catch(() => undefined),
      ),
    );
    if (found[0]?.exitCode !== 0) return undefined;
    const lines = found.flatMap((one) => (one?.exitCode === 0 ? one.stdout.split("\n") : []));
    return set(lines, (line) => (line ? [`routing rule ${line.trim().replaceAll(/\s+/g, " ")}`] : []));
  },
};

/** Iface, Destination, Gateway, Flags, RefCnt, Use, Metric, Mask, …; addresses as the machine's own integers. */
function routeOf(line: string): string[] {
  const [name = "", to = "", via = "", , , , metric = "0", mask = ""] = line.split(/\s+/);
  if (!mask || PASSING.test(name)) return [];
  const bits = Number.parseInt(mask, 16).toString(2).replaceAll("0", "").length;
  const target = mask === "00000000" ? "default" : `${dotted(to)}/${bits}`;
  return [
    routeWords({ target, name, metric: Number(metric), ...(via !== "00000000" && { via: dotted(via) }) }),
  ];
}

/** Flags of routes that the kernel makes by itself or takes from a router: RTF_ADDRCONF, _EXPIRES, _CACHE, _LOCAL, _ANYCAST. */
const BY_ITSELF = 0x40000 | 0x400000 | 0x1000000 | 0x100000;
const LOCAL = 0x80000000;

/** Destination, its length, source, its length, next hop, metric, references, use, flags, interface. */
function route6Of(line: string): string[] {
  const [to = "", length = "", , , via = "", metric = "", , , flags = "", name = ""] = line
    .trim()
    .split(/\s+/);
  const bits = Number.parseInt(flags, 16);
  if (!name || name === "lo" || PASSING.test(name) || bits & BY_ITSELF || bits >= LOCAL) return [];
  // Link-local and multicast: every link has them while it is up.
  if (/^(fe80|ff)/.test(to)) return [];
  const none = /^0+$/;
  const target = length === "00" ? "default" : `${groups(to)}/${Number.parseInt(length, 16)}`;
  return [
    routeWords({
      target,
      name,
      metric: Number.parseInt(metric, 16),
      ...(!none.test(via) && { via: groups(via) }),
    }),
  ];
}

function routeWords(route: { target: string; name: string; metric: number; via?: string }): string {
  const via = route.via ? ` via ${route.via}` : "";
  return `route ${route.target}${via} on ${route.name}${route.metric ? `, metric ${route.metric}` : ""}`;
}

const dotted = (hex: string) =>
  (hex.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");

const groups = (hex: string) => (hex.match(/.{4}/g) ?? []).join(":");

function read(machine: Machine, path: string): string | undefined {
  try {
    return readFileSync(placeOf(machine, path), "utf8");
  } catch {
    return undefined;
  }
}

function set<T>(items: readonly T[], things: (item: T) => string[]): Facts {
  return Object.fromEntries(items.flatMap(things).map((thing) => [thing, ""]));
}
