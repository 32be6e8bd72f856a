import { type Cidr, formatCidr } from "../config/net.ts";

/** A block of addresses that an interface leads to. */
export interface Route {
  interface: string;
  /** For example `10.88.0.0/24`. */
  cidr: string;
}

/** The block of the default route. */
export const DEFAULT_ROUTE = "0.0.0.0/0";

/** The routes of `/proc/net/route`: those for IPv4 in the main table. A bare host has no program that would tell. */
export function parseRoutes(text: string): Route[] {
  const rows = text
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"));
  return rows.flatMap(([name, destination, , , , , , mask]) => {
    if (!name || !destination || !mask) return [];
    const block: Cidr = { family: 4, base: littleEndian(destination), prefix: ones(littleEndian(mask)) };
    return [{ interface: name, cidr: formatCidr(block) }];
  });
}

/** The kernel writes addresses as a number of the machine: little-endian on all that we run on. */
function littleEndian(hex: string): bigint {
  return BigInt(`0x${(hex.match(/../g) ?? ["0"]).reverse().join("")}`);
}

function ones(value: bigint): number {
  return value.toString(2).replaceAll("0", "").length;
}
