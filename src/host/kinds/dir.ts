import { chmod, lstat, mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError, codeOf } from "../../errors.ts";
import { temporaryOf } from "../atomic.ts";
import type { Kind } from "../kind.ts";
import { makeDirs } from "../make-dirs.ts";
import { type Machine, placeOf } from "../machine.ts";

/** A directory with this mode; missing parents are made 0755. */
export interface DirWanted {
  path: string;
  mode: number;
}

/** What stood at the path, and the topmost directory that had to be made. */
export type DirFound =
  | { type: "absent"; topmost: string }
  | { type: "dir"; mode: number; names: string[]; mounts: number }
  | { type: "other" };

async function readDir(machine: Machine, path: string): Promise<DirFound> {
  const place = placeOf(machine, path);
  try {
    const stat = await lstat(place);
    if (!stat.isDirectory()) return { type: "other" };
    const mounts = (await mountPoints(machine)).filter((mount) => mount === path).length;
    return { type: "dir", mode: stat.mode & 0o7777, names: (await readdir(place)).sort(), mounts };
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    return { type: "absent", topmost: await topmostMissing(machine, path) };
  }
}

async function topmostMissing(machine: Machine, path: string): Promise<string> {
  const parent = dirname(path);
  // A root that is still to be made has no parent below itself.
  if (parent === path) return path;
  const exists = await lstat(placeOf(machine, parent)).then(
    () => true,
    () => false,
  );
  return exists ? path : topmostMissing(machine, parent);
}

async function removeUp(machine: Machine, undo: { path: string; topmost: string }): Promise<void> {
  // Stops at the first directory that somebody else put something into.
  for (let path = undo.path; ; path = dirname(path)) {
    const gone = await rmdir(placeOf(machine, path)).then(
      () => true,
      (error) => codeOf(error) === "ENOENT",
    );
    if (!gone || path === undo.topmost || path === "/") return;
  }
}

/** Directories that nodelet makes; undo removes them when they are empty again. */
export const dirKind: Kind<DirWanted, DirFound> = {
  key: (wanted) => wanted.path,
  read: (machine, wanted) => readDir(machine, wanted.path),
  same: (found, wanted) => found.type === "dir" && found.mode === wanted.mode,
  async apply(machine, wanted) {
    const place = placeOf(machine, wanted.path);
    const found = await readDir(machine, wanted.path);
    if (found.type === "other") {
      throw new AppError(`Cannot make the directory "${wanted.path}": something else is there`, {
        hint: "move it away",
      });
    }
    if (found.type === "absent") {
      makeDirs(dirname(place));
      await mkdir(place, { mode: wanted.mode });
    }
    // mkdir takes the umask off; a directory that was there gets the wanted mode too.
    await chmod(place, wanted.mode);
  },
  async restore(machine, { key, before }) {
    if (before.type === "absent") await removeUp(machine, { path: key, topmost: before.topmost });
    if (before.type === "dir") {
      await chmod(placeOf(machine, key), before.mode).catch((error) => {
        if (codeOf(error) !== "ENOENT") throw error;
      });
    }
  },
  describe: (found, wanted) => ({
    from: found.type === "dir" ? octal(found.mode) : found.type,
    to: octal(wanted.mode),
  }),
};

/** A directory that a program we start fills, or a file that it writes: everything that was not in it before goes with undo. */
export interface TreeWanted {
  path: string;
}

/** Claims of whole directories. Nothing is changed by claiming. */
export const treeKind: Kind<TreeWanted, DirFound> = {
  key: (wanted) => wanted.path,
  read: (machine, wanted) => readDir(machine, wanted.path),
  same: () => true,
  async apply() {},
  async restore(machine, { key, before }) {
    await unmountFrom(machine, { path: key, mounts: before.type === "dir" ? before.mounts : 0 });
    if (before.type === "absent") {
      // Who fills it may have been killed while it wrote: the daemon its document, for example.
      await rm(temporaryOf(placeOf(machine, key)), { force: true });
      await rm(placeOf(machine, key), { recursive: true, force: true });
      return await removeUp(machine, { path: key, topmost: before.topmost });
    }
    if (before.type === "other") return;
    const now = await readDir(machine, key);
    if (now.type !== "dir") return;
    for (const name of now.names) {
      if (before.names.includes(name)) continue;
      await rm(placeOf(machine, join(key, name)), { recursive: true, force: true });
    }
  },
  describe: () => ({ from: "", to: "" }),
};

/**
 * Unmounts what is mounted below a directory, deepest first, so that removal cannot reach into another file system; and
 * on the directory itself what was not there before (the kubelet mounts its own onto itself).
 */
async function unmountFrom(machine: Machine, tree: { path: string; mounts: number }): Promise<void> {
  const all = await mountPoints(machine);
  const below = all.filter((mount) => mount.startsWith(`${tree.path}/`)).sort((a, b) => b.length - a.length);
  const own = all.filter((mount) => mount === tree.path).slice(tree.mounts);
  for (const mount of [...below, ...own]) await machine.run(["umount", mount]);
}

/** Where something is mounted, as often as it is. Other roots than the machine's own have no mounts of ours. */
async function mountPoints(machine: Machine): Promise<string[]> {
  if (machine.root !== "/") return [];
  const lines = (await Bun.file("/proc/self/mountinfo").text()).trim().split("\n");
  return lines.map((line) => line.split(" ")[4]?.replaceAll("\\040", " ") ?? "");
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
