import { lstat, readFile, readlink, rm, rmdir, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError, codeOf } from "../../errors.ts";
import { syncDir, temporaryOf, writeAtomically } from "../atomic.ts";
import { sha256 } from "../hash.ts";
import type { Kind } from "../kind.ts";
import { makeDirs } from "../make-dirs.ts";
import { type Machine, placeOf } from "../machine.ts";

/** A regular file with exactly this content and mode, owned by who runs nodelet: root. */
export interface FileWanted {
  path: string;
  content: string | Uint8Array;
  /** Permission bits, set when the file is created, never after. */
  mode: number;
  /** User and group that it belongs to instead, for a program that does not run as root. */
  owner?: number;
  /** Keeps the content out of plans and logs. */
  secret?: boolean;
}

/** No file and no link at this path. */
export interface AbsentWanted {
  path: string;
}

/** What stood at a path. */
export type FileFound =
  | { type: "absent" }
  | { type: "file"; mode: number; uid: number; gid: number; base64: string }
  | { type: "link"; target: string }
  | { type: "other" };

/** Looks at a path without following a link at its end. */
export async function readFound(machine: Machine, path: string): Promise<FileFound> {
  const place = placeOf(machine, path);
  try {
    const stat = await lstat(place);
    if (stat.isSymbolicLink()) return { type: "link", target: await readlink(place) };
    if (!stat.isFile()) return { type: "other" };
    const base64 = (await readFile(place)).toString("base64");
    return { type: "file", mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, base64 };
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return { type: "absent" };
    throw error;
  }
}

async function restoreFound(machine: Machine, undo: { key: string; before: FileFound }): Promise<void> {
  const { key: path, before } = undo;
  const place = placeOf(machine, path);
  if (before.type === "other") return;
  // An undo that was cut off may have removed the directory already; what made it is undone after this, again.
  if (before.type !== "absent") makeDirs(dirname(place));
  await removeEmptyDir(place);
  if (before.type === "file") {
    const { mode, uid, gid } = before;
    return await writeAtomically(place, Buffer.from(before.base64, "base64"), { mode, uid, gid });
  }
  await rm(temporaryOf(place), { force: true });
  await rm(place, { force: true });
  if (before.type === "link") await symlink(before.target, place);
}

/** Docker makes a directory of a file that a container mounts and that is gone: an undo that was cut off has removed it. */
async function removeEmptyDir(place: string): Promise<void> {
  await rmdir(place).catch((error) => {
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY"].includes(codeOf(error) ?? "")) throw error;
  });
}

/** Files that nodelet writes. */
export const fileKind: Kind<FileWanted, FileFound> = {
  key: (wanted) => wanted.path,
  read: (machine, wanted) => readFound(machine, wanted.path),
  same: (found, wanted) =>
    found.type === "file" &&
    found.uid === ownerOf(wanted) &&
    found.mode === wanted.mode &&
    Buffer.from(found.base64, "base64").equals(Buffer.from(wanted.content)),
  keep: ({ path, mode, owner, content }) => ({
    path,
    mode,
    ...(owner !== undefined && { owner }),
    sha256: sha256(content),
  }),
  still: (found, kept: { mode: number; owner?: number; sha256: string }) =>
    found.type === "file" &&
    found.uid === ownerOf(kept) &&
    found.mode === kept.mode &&
    sha256(Buffer.from(found.base64, "base64")) === kept.sha256,
  async apply(machine, wanted) {
    const found = await readFound(machine, wanted.path);
    if (found.type === "other") {
      throw new AppError(
        `Cannot write "${wanted.path}": it is not a regular file; expected a file or nothing`,
        {
          hint: "move it away",
        },
      );
    }
    const { mode } = wanted;
    const owner = ownerOf(wanted);
    await writeAtomically(placeOf(machine, wanted.path), wanted.content, { mode, uid: owner, gid: owner });
  },
  restore: restoreFound,
  describe: (found, wanted) => ({
    from: sketch(found),
    to: [sketchWanted(wanted), ...linesChanged(found, wanted)].join(", "),
  }),
};

/** Paths that must hold nothing. */
export const absentKind: Kind<AbsentWanted, FileFound> = {
  key: (wanted) => wanted.path,
  read: (machine, wanted) => readFound(machine, wanted.path),
  same: (found) => found.type === "absent",
  async apply(machine, wanted) {
    const place = placeOf(machine, wanted.path);
    await rm(place, { force: true });
    await syncDir(dirname(place));
  },
  restore: restoreFound,
  describe: (found) => ({ from: sketch(found), to: "absent" }),
};

/** What nodelet writes belongs to who runs it; where that is not root a node is only rendered, and nothing can be given away. */
function ownerOf({ owner }: { owner?: number }): number {
  const own = process.getuid?.() ?? 0;
  return own === 0 ? (owner ?? 0) : own;
}

function sketch(found: FileFound): string {
  if (found.type !== "file") return found.type === "link" ? `link to ${found.target}` : found.type;
  return sketchContent(Buffer.from(found.base64, "base64"), found.mode);
}

function sketchWanted(wanted: FileWanted): string {
  const content = Buffer.from(wanted.content);
  return wanted.secret ? `secret, ${octal(wanted.mode)}` : sketchContent(content, wanted.mode);
}

/** How much is different, as `+1 -1 lines`: nothing for secrets and for what is new. */
function linesChanged(found: FileFound, wanted: FileWanted): string[] {
  if (wanted.secret || found.type !== "file") return [];
  const before = Buffer.from(found.base64, "base64").toString().split("\n");
  const after = Buffer.from(wanted.content).toString().split("\n");
  const added = surplus(after, before);
  const removed = surplus(before, after);
  return added + removed > 0 ? [`+${added} -${removed} lines`] : [];
}

/** How many lines of a text are not in another one, each as often as it stands there. */
function surplus(of: readonly string[], over: readonly string[]): number {
  const left = new Map<string, number>();
  for (const line of over) left.set(line, (left.get(line) ?? 0) + 1);
  return of.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  }).length;
}

function sketchContent(content: Buffer, mode: number): string {
  return `${content.length} B, ${octal(mode)}, sha256 ${sha256(content).slice(0, 12)}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
