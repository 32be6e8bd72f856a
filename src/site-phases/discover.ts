import type { Stats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { trustProblems } from "../config/files.ts";
import { codeOf, ConfigError, messageOf } from "../errors.ts";
import { type Host, isMissing } from "../host/host.ts";
import type { PlannedChange } from "../host/real.ts";
import { paths } from "../paths.ts";
import type { Phase } from "../runner/phase.ts";
import { answersOf } from "./answers.ts";
import { printable } from "./output.ts";
import { sitePhase } from "./phase.ts";

/** What the phases of a site are found with. */
export interface DiscoverOptions {
  host: Host;
  /** Gives the scripts their environment. */
  config: Config;
  /** Ids of the program's own phases, whatever the role: their numbers are taken. */
  taken: readonly string[];
  /** Collects what is not run in a dry run and under another root. */
  plan: PlannedChange[];
  signal: AbortSignal;
}

/** A file of phases.d, and what is wrong with it. */
interface Found {
  id: string;
  file: string;
  /** Somebody else than root may decide what is in it. */
  distrust: string[];
  problems: string[];
}

/**
 * Finds the executables of `/etc/pf9/nodelet/phases.d` and asks each for its title. None is run when anybody but root could
 * have written one of them. In a dry run and under another root none is run at all: the file name stands for the title.
 *
 * @throws ConfigError with every problem of every file
 */
export async function discoverSitePhases(options: DiscoverOptions): Promise<Phase[]> {
  const { host } = options;
  const directory = host.place(paths.sitePhases);
  const stats = await lstat(directory).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    return refuse(directory)(error);
  });
  if (!stats) return [];
  if (!stats.isDirectory())
    throw new ConfigError([`${directory}: is not a directory; expected one of scripts`]);
  const distrust = trustProblems(directory, { stats, uid: ownerFor(host) });
  const names = (await readdir(directory).catch(refuse(directory)))
    .filter((name) => !name.startsWith("."))
    .sort();
  const found = await Promise.all(names.map((name) => judge(join(directory, name), { name, host })));
  addNumberProblems(found, options.taken);
  const trusted = distrust.length === 0 && found.every((one) => one.distrust.length === 0);
  const phases = await Promise.all(
    found.map(async (one) => {
      if (one.problems.length > 0 || !trusted) return [];
      if (host.detached)
        return [sitePhase({ ...one, title: one.id.slice(4), hasStatus: false }, options.plan)];
      const answers = await answersOf(one.file, options);
      if ("problem" in answers) one.problems.push(`${one.file}: ${answers.problem}`);
      else return [sitePhase({ ...one, ...answers }, options.plan)];
      return [];
    }),
  );
  const problems = [...distrust, ...found.flatMap((one) => [...one.distrust, ...one.problems])];
  if (problems.length > 0) throw new ConfigError(problems);
  return phases.flat();
}

/** Whose files are run. Nothing is under another root, so there an unprivileged user may have files of his own. */
function ownerFor(host: Host): number {
  return host.detached ? (process.getuid?.() ?? 0) : 0;
}

async function judge(file: string, { name, host }: { name: string; host: Host }): Promise<Found> {
  const shown = printable(file);
  const one: Found = { id: name, file, distrust: [], problems: [] };
  const wrong = (problem: string) => void one.problems.push(`${shown}: ${problem}`);
  if (name.endsWith("~")) wrong("is the backup of an editor; expected none here");
  else if (!/^\d{3}-[a-z0-9][a-z0-9-]*$/.test(name))
    wrong(
      "has no name of a phase; expected three digits, '-', and a-z, 0-9 and '-', for example 450-mount-data",
    );
  const stats = await lstat(file).catch(refuse(shown));
  if (!stats.isFile()) {
    one.distrust.push(`${shown}: is ${whatIs(stats)}; expected a file`);
    return one;
  }
  one.distrust.push(...trustProblems(shown, { stats, uid: ownerFor(host) }));
  if ((stats.mode & 0o100) === 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    wrong(`has mode ${mode}, so it cannot be run; expected for example 0755`);
  }
  return one;
}

function refuse(path: string): (error: unknown) => never {
  return (error) => {
    throw new ConfigError([`${path}: cannot be read: ${codeOf(error) ?? messageOf(error)}`]);
  };
}

function whatIs(stats: Stats): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  return stats.isDirectory() ? "a directory" : "no regular file";
}

function addNumberProblems(found: readonly Found[], taken: readonly string[]): void {
  const owners = new Map(taken.map((id) => [id.slice(0, 3), `the program's own phase ${id}`]));
  for (const { id, file, problems } of found) {
    const number = /^\d{3}(?=-)/.exec(id)?.[0];
    if (number === undefined || id.endsWith("~")) continue;
    const owner = owners.get(number);
    if (owner === undefined) owners.set(number, printable(id));
    else problems.push(`${printable(file)}: has the number of ${owner}; expected one of its own`);
  }
}
