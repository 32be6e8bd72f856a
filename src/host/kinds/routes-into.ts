import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";

/** Routes of the main table into a block of addresses that a program we start makes. */
export interface RoutesIntoWanted {
  /** IPv4, for example `10.20.0.0/16`. */
  block: string;
}

/** Claims of routes: undo removes what was not there before. */
export const routesIntoKind: Kind<RoutesIntoWanted, { routes: string[] }> = {
  key: ({ block }) => block,
  read: async (machine, { block }) => ({ routes: await routesInto(machine, block) }),
  same: () => true,
  async apply() {},
  async restore(machine, { key, before }) {
    const routes = await routesInto(machine, key);
    for (const route of routes.filter((one) => !before.routes.includes(one)))
      await machine.run(["ip", "-4", "route", "del", ...routeWords(route)]);
  },
  describe: () => ({ from: "", to: "" }),
};

/** Routes into a block, as {@linkcode madeRoutes} finds them. Another root than the machine's own has none. */
export async function routesInto(machine: Pick<Machine, "root" | "run">, block: string): Promise<string[]> {
  if (machine.root !== "/") return [];
  const argv = ["ip", "-4", "route", "show", "root", block];
  const found = await machine.run(argv, { check: false }).catch(() => undefined);
  return found?.exitCode === 0 ? madeRoutes(found.stdout) : [];
}

/**
 * The lines of `ip route show` with a gateway, or that lead nowhere: somebody made those. What the kernel makes for an interface
 * goes with it, and pods' own routes with their pods.
 */
export function madeRoutes(shown: string): string[] {
  const lines = shown.split("\n").map((line) => line.trim());
  return lines.filter((line) => line.includes(" via ") || line.startsWith("blackhole "));
}

/** Words of such a line that say which route it is; its state is not among them. */
export function routeWords(line: string): string[] {
  return /^(blackhole )?\S+( via \S+)?( dev \S+)?/.exec(line)?.[0].split(" ") ?? [];
}
