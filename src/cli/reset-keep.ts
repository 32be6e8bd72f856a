import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, isAbsolute, join, relative } from "node:path";
import { codeOf, UsageError } from "../errors.ts";
import { syncDir, writeAtomically } from "../host/atomic.ts";
import { PLACES } from "../host/footprint/files.ts";
import type { Journal, JournalRecord } from "../host/journal.ts";
import type { DirFound } from "../host/kinds/dir.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";

/** What a reset that keeps data notes beside the journal, so that one that goes on after a kill keeps it in the same place. */
const NOTE = "keep-data.json";

/** Where data is kept that nobody named a place for. @param now time in milliseconds since the epoch */
export function defaultKeepDir(now: number): string {
  return `/var/opt/pf9-kept-${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
}

/**
 * Settles where data is kept, before the first change.
 *
 * @param asked the directory that was asked for; `true` for the usual one; undefined when nothing is to be kept
 * @returns the directory, of an earlier run that was cut off before all others
 * @throws UsageError when the directory is in use, or would be removed itself
 */
export async function settleKeepDir(
  machine: Machine,
  keep: { journal: Journal; asked: string | true | undefined; now: number },
): Promise<string | undefined> {
  const { journal, asked } = keep;
  const noted = journal.attached(NOTE);
  if (noted !== undefined) return (JSON.parse(noted) as { dir: string }).dir;
  if (asked === undefined) return undefined;
  const dir = asked === true ? defaultKeepDir(keep.now) : asked;
  if (!isAbsolute(dir)) throw new UsageError(`Cannot keep data in "${dir}"; expected an absolute path`);
  const gone = [...PLACES.filter(({ depth }) => depth !== "self"), ...journal.records().map(asPlace)]
    .map(({ path }) => path)
    .find((path) => dir === path || dir.startsWith(`${path}/`));
  if (gone)
    throw new UsageError(`Cannot keep data in "${dir}": "${gone}" is undone; expected a directory elsewhere`);
  const names = await namesIn(placeOf(machine, dir));
  if (names.length > 0)
    throw new UsageError(`Cannot keep data in "${dir}": it is not empty; expected a new directory`);
  return dir;
}

const asPlace = ({ kind, key }: JournalRecord) => ({ path: kind === "tree" || kind === "dir" ? key : "\0" });

/**
 * Puts etcd's data and the PKI aside. Data is moved, after etcd has ended; what is small is copied, and goes with the undoing.
 * May be run again after a kill at any moment: what is kept already is never touched.
 *
 * @param keep `records`: what is going to be undone; `attach`: notes the place before the first change
 * @returns what is kept there, for example `etcd`
 */
export async function keepData(
  machine: Machine,
  keep: { dir: string; records: readonly JournalRecord[]; journal: Journal },
): Promise<string[]> {
  const dir = placeOf(machine, keep.dir);
  if (keep.journal.exists) keep.journal.attach(NOTE, JSON.stringify({ dir: keep.dir }));
  await mkdir(dirname(dir), { recursive: true, mode: 0o755 });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await copyFiles(placeOf(machine, paths.certs), join(dir, "certs"));
  for (const path of [`${paths.configs}/encryption.yaml`, paths.cluster])
    await copyFile(placeOf(machine, path), join(dir, path.slice(path.lastIndexOf("/") + 1)));
  await endEtcd(machine);
  for (const record of keep.records.filter(({ kind }) => kind === "tree")) {
    if (!existsSync(placeOf(machine, `${record.key}/member`))) continue;
    await moveContent(machine, { record, to: join(dir, "etcd") });
  }
  await syncDir(dir);
  return await namesIn(dir);
}

/** A member that is stopped has written all; one that is only stopped would be started with the engine. */
async function endEtcd(machine: Machine): Promise<void> {
  if (machine.root !== "/" || !(await machine.docker.alive())) return;
  await machine.docker.stop("etcd", 10);
  await machine.docker.remove("etcd");
}

/** Moves what was not in a directory before; the directory itself is somebody else's, or is undone. */
async function moveContent(
  machine: Machine,
  { record, to }: { record: JournalRecord; to: string },
): Promise<void> {
  const before = record.before as DirFound;
  const theirs = before.type === "dir" ? before.names : [];
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of await namesIn(placeOf(machine, record.key))) {
    // There already: the run that was cut off has moved it, and an etcd that came up since has made another.
    if (theirs.includes(name) || existsSync(join(to, name))) continue;
    await move(machine, { from: placeOf(machine, join(record.key, name)), to: join(to, name) });
  }
  await syncDir(to);
}

async function move(machine: Machine, { from, to }: { from: string; to: string }): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (codeOf(error) !== "EXDEV") throw error;
    // Another file system: complete under another name first, so that a kill leaves no half that looks whole.
    await rm(`${to}.part`, { recursive: true, force: true });
    await machine.run(["cp", "-a", from, `${to}.part`], { timeoutMs: 600_000 });
    await machine.run(["sync", "-f", `${to}.part`], { timeoutMs: 600_000 });
    await rename(`${to}.part`, to);
  }
}

async function copyFiles(from: string, to: string): Promise<void> {
  const names = existsSync(from) ? await readdir(from, { recursive: true, withFileTypes: true }) : [];
  for (const entry of names.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    await copyFile(path, join(to, relative(from, path)));
  }
}

/** Never over a copy: after a kill the original may be what stood there before init. */
async function copyFile(from: string, to: string): Promise<void> {
  if (!existsSync(from) || existsSync(to)) return;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await writeAtomically(to, await readFile(from), { mode: 0o600 });
}

async function namesIn(dir: string): Promise<string[]> {
  return existsSync(dir) ? (await readdir(dir)).sort() : [];
}
