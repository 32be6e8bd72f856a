import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";
import { removalScript } from "../iptables.ts";

/** A chain of ours in the packet filter for IPv4, and the way into it. */
export interface ChainWanted {
  table: "filter" | "nat";
  /** Begins with `PF9-`. */
  name: string;
  /** In the words of `iptables -S`, without `-A NAME`. Absent: there is to be no such chain. */
  rules?: readonly string[];
  /** The built-in chain that leads into it, before all rules that are there. */
  from: "INPUT" | "FORWARD" | "POSTROUTING";
  /** For which packets, in the words of `iptables -S`; all when absent. */
  match?: string;
}

/** What the packet filter had: the rules of the chain, null without one, and the rules elsewhere that lead into it. */
export interface ChainFound {
  rules: string[] | null;
  jumps: string[];
}

/** How long to wait for others who change the packet filter, in seconds. */
const WAIT = "5";

/**
 * Chains that nodelet keeps. What others have is left alone: only the rule that leads into the chain is among theirs. All of it
 * comes at once or not at all.
 */
export const chainKind: Kind<ChainWanted, ChainFound> = {
  key: ({ table, name }) => `${table} ${name}`,
  async read(machine, { table, name, from }) {
    const [own, others] = await Promise.all([show(machine, table, name), show(machine, table, from)]);
    const prefix = `-A ${name} `;
    const rules = own?.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
    return { rules: rules ?? null, jumps: (others ?? []).filter((line) => line.endsWith(` -j ${name}`)) };
  },
  // Where the way in stands is not compared: others put theirs in front as well, and nobody would ever be done.
  same: (found, wanted) =>
    Bun.deepEquals(found.rules, wanted.rules ?? null) &&
    Bun.deepEquals(found.jumps, wanted.rules ? [jumpOf(wanted)] : []),
  async apply(machine, wanted) {
    if (!wanted.rules) return await remove(machine, wanted);
    const { jumps } = await chainKind.read(machine, wanted);
    await restore(machine, [
      `*${wanted.table}`,
      // Declaring a chain empties it.
      `:${wanted.name} - [0:0]`,
      ...wanted.rules.map((rule) => `-A ${wanted.name} ${rule}`),
      ...jumps.map((jump) => jump.replace(/^-A /, "-D ")),
      jumpOf(wanted).replace(/^-A (\S+)/, "-I $1 1"),
      "COMMIT",
    ]);
  },
  async restore(machine, { key }) {
    const [table = "", name = ""] = key.split(" ");
    await remove(machine, { table, name });
  },
  describe: (found, wanted) => ({
    from: found.rules ? `${found.rules.length} rules` : "absent",
    to: wanted.rules ? `${wanted.rules.length} rules, from ${wanted.from}` : "absent",
  }),
};

const jumpOf = ({ from, match, name }: ChainWanted) => `-A ${from} ${match ? `${match} ` : ""}-j ${name}`;

/** Lines of a chain; undefined where there is none, or nobody to ask. */
async function show(machine: Machine, table: string, chain: string): Promise<string[] | undefined> {
  const argv = ["iptables", "-w", WAIT, "-t", table, "-S", chain];
  const shown = await machine.run(argv, { check: false }).catch(() => undefined);
  return shown?.exitCode === 0 ? shown.stdout.split("\n") : undefined;
}

async function remove(machine: Machine, { table, name }: { table: string; name: string }): Promise<void> {
  const saved = await machine.run(["iptables-save", "-t", table], { check: false }).catch(() => undefined);
  const script = saved?.exitCode === 0 ? removalScript(saved.stdout, name) : "";
  if (script) await restore(machine, [script.trimEnd()]);
}

async function restore(machine: Machine, lines: readonly string[]): Promise<void> {
  await machine.run(["iptables-restore", "--noflush", "--wait", WAIT], { input: `${lines.join("\n")}\n` });
}
