import { readFile } from "node:fs/promises";
import type { Kind } from "../kind.ts";
import { type Machine, placeOf } from "../machine.ts";
import { parseRoutes, type Route } from "../routes.ts";

/** A route out of an interface, without a gateway, in the main table. */
export interface RouteWanted {
  /** IPv4 block, for example `10.21.0.0/16`. */
  destination: string;
  interface: string;
  /** Address of this host that packets leave with. */
  source: string;
}

/** The interface that the route goes out of; null without a route. */
export interface RouteFound {
  interface: string | null;
}

/** Routes that nodelet adds. One that was there for the same block is taken as it is, and never replaced. */
export const routeKind: Kind<RouteWanted, RouteFound> = {
  key: (wanted) => wanted.destination,
  async read(machine, { destination }) {
    const routes = await readRoutes(machine);
    return { interface: routes.find((route) => route.cidr === destination)?.interface ?? null };
  },
  same: (found) => found.interface !== null,
  async apply(machine, wanted) {
    const { destination, source } = wanted;
    await machine.run([
      "ip",
      "route",
      "replace",
      destination,
      "dev",
      wanted.interface,
      "scope",
      "link",
      "src",
      source,
    ]);
  },
  async restore(machine, { key, before }) {
    if (before.interface !== null) return;
    const routes = await readRoutes(machine);
    const ours = routes.find((route) => route.cidr === key);
    if (ours) await machine.run(["ip", "route", "del", key, "dev", ours.interface]);
  },
  describe: (found, wanted) => ({
    from: found.interface ?? "absent",
    to: `${wanted.interface}, from ${wanted.source}`,
  }),
};

/** The IPv4 routes of the running host's main table. */
export async function readRoutes(machine: Pick<Machine, "root">): Promise<Route[]> {
  const text = await readFile(placeOf(machine as Machine, "/proc/net/route"), "utf8").catch(() => "");
  return parseRoutes(text);
}
