import { chmod, copyFile as copyTo, lstat, open, rename, rm } from "node:fs/promises";
import type { Content } from "../../bundle/content.ts";
import { dirname } from "node:path";
import { AppError, codeOf, messageOf } from "../../errors.ts";
import { syncDir, temporaryOf } from "../atomic.ts";
import { sha256File } from "../hash.ts";
import type { Kind } from "../kind.ts";
import { type Machine, placeOf } from "../machine.ts";

/** A large file that is copied from the bundle, known by its digest. */
export interface CopyWanted {
  path: string;
  /** Gives the content; asked only when the file must be written. */
  source: () => Content;
  sha256: string;
  size: number;
  mode: number;
}

/** What stood at the path. A foreign file is set aside under `kept`, not held in the journal. */
export type CopyFound = { type: "absent" } | { type: "file"; sha256: string; mode: number; kept: string };

async function readCopy(machine: Machine, wanted: CopyWanted): Promise<CopyFound> {
  const place = placeOf(machine, wanted.path);
  const stat = await lstat(place).catch((error) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (!stat) return { type: "absent" };
  const sha256 = stat.size === wanted.size ? await sha256File(place) : "";
  return { type: "file", sha256, mode: stat.mode & 0o7777, kept: `${wanted.path}.before-nodelet` };
}

/** Programs that nodelet installs from the bundle. */
export const copyKind: Kind<CopyWanted, CopyFound> = {
  key: (wanted) => wanted.path,
  read: readCopy,
  same: (found, wanted) =>
    found.type === "file" && found.sha256 === wanted.sha256 && found.mode === wanted.mode,
  keep: ({ path, sha256, size, mode }) => ({ path, sha256, size, mode }),
  async apply(machine, wanted) {
    const place = placeOf(machine, wanted.path);
    const found = await readCopy(machine, wanted);
    const kept = `${place}.before-nodelet`;
    // Only the first foreign file is worth keeping: later ones are our own older versions.
    if (found.type === "file" && !(await Bun.file(kept).exists())) await rename(place, kept);
    await copyFile(wanted, place);
  },
  async restore(machine, { key, before }) {
    const place = placeOf(machine, key);
    const kept = `${place}.before-nodelet`;
    await rm(temporaryOf(place), { force: true });
    if (before.type === "absent") {
      await rm(place, { force: true });
      return await rm(kept, { force: true });
    }
    // Not set aside: it was never touched, or an undo that was interrupted has put it back already.
    if (await Bun.file(kept).exists()) await rename(kept, place);
  },
  describe: (found, wanted) => ({
    from: found.type === "absent" ? "absent" : `sha256 ${found.sha256.slice(0, 12) || "other"}`,
    to: `${wanted.size} B, sha256 ${wanted.sha256.slice(0, 12)}`,
  }),
};

/** Copies through a temporary file; a program that runs from the old file keeps it. */
async function copyFile(wanted: CopyWanted, place: string): Promise<void> {
  const temporary = temporaryOf(place);
  try {
    await rm(temporary, { force: true });
    await writeContent(wanted.source(), temporary);
    await chmod(temporary, wanted.mode);
    await using file = await open(temporary, "r+");
    await file.sync();
    await rename(temporary, place);
    await syncDir(dirname(place));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new AppError(`Cannot install "${wanted.path}": ${messageOf(error)}`);
  }
}

async function writeContent(content: Content, target: string): Promise<void> {
  // Inside the kernel: no byte passes through this process.
  if (content.file) return await copyTo(content.file, target);
  await using file = await open(target, "wx", 0o600);
  for await (const piece of content.stream()) await file.writeFile(piece);
}
