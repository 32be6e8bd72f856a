import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";

/** A file without a name: the kernel frees it however this process ends. Linux alone has it, so Node has no name for it. */
const O_TMPFILE = 0o20_000_000 | constants.O_DIRECTORY;

/** About what etcd appends at a time, as in the measurement that its documentation gives for disks. */
const PAGE_BYTES = 2048;

/** Of so many the second slowest is the 99th percentile, so that one hiccup does not decide. */
const WRITES = 100;

/** A disk that needs longer for all of them is told well enough by those that were done. */
const ENOUGH_MS = 1000;

/** A disk that does not answer at all must not hold up the other findings. */
const DEADLINE_MS = 3000;

/**
 * Measures how long a disk takes to make a small write last.
 *
 * @param dir an existing directory of the file system
 * @returns milliseconds of each write, the one that was still under way at the deadline among them
 * @throws when no file can be made or written there
 */
export async function measureSyncedWrites(dir: string): Promise<number[]> {
  const file = await openNameless(dir);
  const times: number[] = [];
  let ended = false;
  const write = async () => {
    const page = Buffer.alloc(PAGE_BYTES, 1);
    const begun = performance.now();
    while (!ended && times.length < WRITES && performance.now() - begun < ENOUGH_MS) {
      const started = performance.now();
      await file.write(page);
      await file.datasync();
      times.push(performance.now() - started);
    }
  };
  // Closing waits for the disk as well, so it is nobody's business here.
  const writing = write().finally(() => void file.close().catch(() => {}));
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), DEADLINE_MS);
  try {
    const how = await Promise.race([writing, late.promise]);
    return how === "late" ? [...times, DEADLINE_MS] : times;
  } finally {
    ended = true;
    clearTimeout(timer);
    writing.catch(() => {});
  }
}

async function openNameless(dir: string): Promise<FileHandle> {
  try {
    return await open(dir, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch {
    // Not every file system has them.
    const path = join(dir, `.nodelet-${randomUUID()}`);
    const file = await open(path, "wx+", 0o600);
    await rm(path);
    return file;
  }
}
