/** One table of the output of iptables-save. */
interface Table {
  name: string;
  chains: string[];
  rules: string[];
}

/** Names of the chains that begin with the prefix, in any table. @param saved output of iptables-save */
export function ourChains(saved: string, prefix: string): string[] {
  return parse(saved).flatMap((table) => table.chains.filter((chain) => chain.startsWith(prefix)));
}

/**
 * The input for `iptables-restore --noflush` that removes every chain with the prefix, and every rule elsewhere that
 * jumps into one.
 *
 * @param saved output of iptables-save
 * @returns an empty text when there is nothing to remove
 */
export function removalScript(saved: string, prefix: string): string {
  return parse(saved)
    .map((table) => tableScript(table, prefix))
    .join("");
}

function tableScript(table: Table, prefix: string): string {
  const ours = table.chains.filter((chain) => chain.startsWith(prefix));
  const jumps = table.rules.filter((rule) => {
    const words = rule.split(" ");
    const target = words[words.findIndex((word) => word === "-j" || word === "-g") + 1] ?? "";
    return target.startsWith(prefix) && !words[1]?.startsWith(prefix);
  });
  if (ours.length === 0 && jumps.length === 0) return "";
  const lines = [
    `*${table.name}`,
    // Declaring a chain empties it, which is needed before any of them can be deleted.
    ...ours.map((chain) => `:${chain} - [0:0]`),
    ...jumps.map((rule) => rule.replace(/^-A /, "-D ")),
    ...ours.map((chain) => `-X ${chain}`),
    "COMMIT",
  ];
  return `${lines.join("\n")}\n`;
}

function parse(saved: string): Table[] {
  const tables: Table[] = [];
  for (const line of saved.split("\n")) {
    const table = tables.at(-1);
    if (line.startsWith("*")) tables.push({ name: line.slice(1), chains: [], rules: [] });
    else if (line.startsWith(":")) table?.chains.push(line.slice(1).split(" ")[0] ?? "");
    else if (line.startsWith("-A ")) table?.rules.push(line);
  }
  return tables;
}
