import { chown, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AppError, codeOf, messageOf } from "../errors.ts";

/** Owner and permissions of a written file. */
export interface WriteOptions {
  mode: number;
  uid?: number;
  gid?: number;
}

/**
 * Writes a file so that a reader, or the host after a power cut, sees the old content or the new one, never a part:
 * a temporary file beside it with the final mode, fsync, rename, fsync of the directory.
 *
 * @throws AppError naming the file when the disk is full or the place cannot be written; the old file is untouched.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const temporary = temporaryOf(path);
  try {
    // Left over by a killed run.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", options.mode);
    try {
      await file.writeFile(content);
      // The umask of the caller must not take bits away.
      await file.chmod(options.mode);
      if (options.uid !== undefined && options.gid !== undefined) {
        await chown(temporary, options.uid, options.gid);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDir(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, error);
  }
}

/**
 * The temporary file beside a file that is being written. Its name is the same in every run, so that what a killed run
 * left is found by the next write and by undo.
 */
export function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.nodelet.tmp`);
}

/** Makes a rename or a removal inside a directory last through a power cut. */
export async function syncDir(path: string): Promise<void> {
  const dir = await open(path, "r").catch((error) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  });
  try {
    await dir?.sync();
  } finally {
    await dir?.close();
  }
}

/** What is told when a file cannot be written: why, and the way out where it is known. */
export function writeError(path: string, error: unknown): AppError {
  const hints: Record<string, string> = {
    ENOSPC: "free space on that file system and run the command again",
    EROFS: "remount the file system writable",
    EACCES: "run as root",
  };
  const hint = hints[codeOf(error) ?? ""];
  const what = codeOf(error) === "ENOSPC" ? "no space left on the device" : messageOf(error);
  return new AppError(`Cannot write "${path}": ${what}`, { ...(hint && { hint }) });
}
