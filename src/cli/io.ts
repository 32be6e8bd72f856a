import { stringify } from "yaml";

/** Where a command writes. Results go to stdout, progress and problems to stderr. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** True when stderr is a terminal that a person watches. */
  readonly terminal: boolean;
  /** True when stdout is one. */
  readonly screen: boolean;
  /** Asks a question on the terminal. @returns the answer, or undefined when there is no terminal */
  ask(question: string): string | undefined;
}

/** How a result is shown. */
export type OutputFormat = "table" | "json" | "yaml";

/** A table: what each column is called, and what each row has in it. */
export interface Table {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

/**
 * Shows a result in the wanted format.
 *
 * @param result the value for json and yaml
 * @param table how a person sees it
 */
export function showResult(
  io: Io,
  shown: { format: OutputFormat; result: unknown; table: Table | string },
): void {
  if (shown.format === "json") return io.out(`${JSON.stringify(shown.result, null, 2)}\n`);
  if (shown.format === "yaml") return io.out(stringify(shown.result));
  io.out(typeof shown.table === "string" ? shown.table : renderTable(shown.table));
}

/** Columns padded with blanks, two between them, as kubectl prints them. */
export function renderTable({ columns, rows }: Table): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, at) => Math.max(...all.map((row) => (row[at] ?? "").length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd((widths[at] ?? 0) + 2)))
      .join("")
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}
