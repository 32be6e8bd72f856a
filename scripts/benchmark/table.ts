/** The middle one of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** Median and spread, for example `9.1 s (8.8–9.4)`; `–` for no numbers. */
export function spread(values: readonly number[], unit: string): string {
  if (values.length === 0) return "–";
  const show = (value: number) =>
    value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  const range = values.length > 1 ? ` (${show(Math.min(...values))}–${show(Math.max(...values))})` : "";
  return `${show(median(values))} ${unit}${range}`;
}

/** One thing that was measured, of ours and of the peer. */
export interface Figure {
  what: string;
  unit: string;
  ours: readonly number[];
  /** Nothing, where the peer has nothing like it. */
  theirs?: readonly number[];
  /** For example `≤ 1.25`. */
  goal?: string;
}

/** A figure as cells: what, ours, theirs, ratio of the medians, goal. */
export function figureRow({ what, unit, ours, theirs = [], goal = "–" }: Figure): string[] {
  const ratio = theirs.length > 0 ? (median(ours) / median(theirs)).toFixed(2) : "–";
  return [what, spread(ours, unit), spread(theirs, unit), ratio, goal];
}

/** A table in Markdown. */
export function markdown(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}
