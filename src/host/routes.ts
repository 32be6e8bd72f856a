import { type Cidr, contains, formatAddress, formatCidr, parseAddress, parseCidr } from "../config/net.ts";

/** A block of addresses that an interface leads to. */
export interface Route {
  interface: string;
  /** For example `10.88.0.0/24`. */
  cidr: string;
  /** The router that it leads over; absent for a network that the interface is on. */
  gateway?: string;
}

/** The block of the default route. */
export const DEFAULT_ROUTE = "0.0.0.0/0";

/** The routes of `/proc/net/route`: those for IPv4 in the main table. A bare host has no program that would tell. */
export function parseRoutes(text: string): Route[] {
  const rows = text
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"));
  return rows.flatMap(([name, destination, gateway, , , , , mask]) => {
    if (!name || !destination || !mask) return [];
    const block: Cidr = { family: 4, base: littleEndian(destination), prefix: ones(littleEndian(mask)) };
    const via = littleEndian(gateway ?? "");
    const over = via === 0n ? {} : { gateway: formatAddress({ family: 4, value: via }) };
    return [{ interface: name, cidr: formatCidr(block), ...over }];
  });
}

/** True when a host with these routes (as in `/proc/net/route`) is on the network of the address. */
export function isOnNetwork(table: string, ip: string): boolean {
  const route = routeTo(parseRoutes(table), ip);
  return route !== undefined && !route.gateway && route.cidr !== DEFAULT_ROUTE;
}

/** The route that a packet to the address takes: the one of the smallest block; undefined when none leads there. */
export function routeTo(routes: readonly Route[], address: string): Route | undefined {
  const to = parseAddress(address);
  const fitting = routes.flatMap((route) => {
    const block = parseCidr(route.cidr);
    return to && block && contains(block, to) ? [{ route, prefix: block.prefix }] : [];
  });
  // Of equal blocks the first one: the kernel lists them by their metric.
  return fitting.toSorted((a, b) => b.prefix - a.prefix)[0]?.route;
}

/** The kernel writes addresses as a number of the machine: little-endian on all that we run on. */
function littleEndian(hex: string): bigint {
  return BigInt(`0x${(hex.match(/../g) ?? ["0"]).reverse().join("")}`);
}

function ones(value: bigint): number {
  return value.toString(2).replaceAll("0", "").length;
}
