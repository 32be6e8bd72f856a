import type { Phase } from "../../../src/runner/phase.ts";
import { ConfigError } from "../../../src/errors.ts";
import { paths } from "../../../src/paths.ts";
import { discoverSitePhases } from "../../../src/site-phases/discover.ts";
import { type World, world, type WorldOptions } from "../../fake/ctx.ts";

/** Ids of the program's own phases, as far as the tests are concerned. */
const TAKEN = ["020-gen-certs", "210-drain-pods"];

/** A script that answers, and does with the other words what a test wants. */
export function script({
  title = "A step",
  start = "",
  stop = "",
  status,
}: { title?: string; start?: string; stop?: string; status?: string } = {}): string {
  return `#!/bin/sh
case "$1" in
name) echo "${title}" ;;
can_run_status) ${status === undefined ? "exit 1" : "exit 0"} ;;
start) ${start || ":"} ;;
stop) ${stop || ":"} ;;
status) ${status ?? "exit 9"} ;;
*) exit 64 ;;
esac
`;
}

/** A world with scripts in its phases.d, by name and with mode 0755. */
export async function siteWorld(
  scripts: Record<string, string>,
  options: WorldOptions = {},
): Promise<World & { find(): Promise<Phase[]>; file(name: string): string }> {
  const made = await world(options);
  for (const [name, text] of Object.entries(scripts))
    await made.root.write(`${paths.sitePhases}/${name}`, text, 0o755);
  return {
    ...made,
    file: (name) => made.root.place(`${paths.sitePhases}/${name}`),
    find: () => discoverSitePhases({ ...made.ctx, taken: TAKEN, plan: made.plan, signal: made.ctx.signal }),
  };
}

/** The problems that phases.d is refused with; none when it is accepted. */
export async function problemsOf(finding: Promise<unknown>): Promise<readonly string[]> {
  const error = await finding.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return [];
  if (error instanceof ConfigError) return error.problems;
  throw error;
}

/** Resolves when a condition holds. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(10);
}

/** True while a process exists that is no zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await Bun.file(`/proc/${pid}/stat`)
    .text()
    .catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}
