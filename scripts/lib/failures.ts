/** A test that failed, as bun's output tells it. */
export interface Failure {
  /** The file that it is in, or the command. */
  where: string;
  /** Its whole name. */
  name: string;
  /** What was written since the test before it ended: what it said itself, then the error. Without colours. */
  detail: string;
}

/** How much the details of all failures may take: what is kept of a run's output is often no more than its last 12 kB. */
const DETAILS_LIMIT = 8_000;
const FILE = /^(\S+\.test\.ts):$/;
const RESULT = /^\((pass|fail|skip|todo)\) (.*?)(?: \[[\d.]+ms\])?$/;
// oxlint-disable-next-line no-control-regex
const COLOURS = /\u001b\[[\d;]*m/g;

/**
 * Finds the failed tests in what `bun test` has written.
 *
 * @param output standard error of `bun test`, of one file or of several
 */
export function failuresIn(output: string): Failure[] {
  const found: Failure[] = [];
  let where = "";
  let since: string[] = [];
  for (const line of output.replaceAll(COLOURS, "").split("\n")) {
    const [, file] = FILE.exec(line) ?? [];
    const [, state, name = ""] = RESULT.exec(line) ?? [];
    if (file === undefined && state === undefined) {
      since.push(line);
      continue;
    }
    if (file !== undefined) where = file;
    if (state === "fail") found.push({ where, name, detail: since.join("\n").trim() });
    since = [];
  }
  return found;
}

/**
 * All failures once more, for the end of a long output: the names, each with the end of its detail.
 *
 * @returns lines, each with its line break; empty when nothing failed
 */
export function recap(failures: readonly Failure[]): string {
  if (failures.length === 0) return "";
  const share = Math.floor(DETAILS_LIMIT / failures.length);
  const parts = failures.map(({ where, name, detail }) => {
    const shown = detail.length > share ? `…${detail.slice(detail.length - share)}` : detail;
    return `--- ${where}: ${name}\n${shown.replaceAll(/^/gm, "  ")}\n`;
  });
  return `=== what failed\n${parts.join("")}`;
}
