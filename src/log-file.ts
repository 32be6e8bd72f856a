import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { flock } from "./host/flock.ts";

/** How much of a log is kept. */
export interface LogLimits {
  /** Bytes of one file; a single entry that is longer gets a file for itself. */
  maxBytes: number;
  /** Files in all, the newest (`kube.log`) and older ones (`kube.log.1`, …) together; at least 1. */
  maxFiles: number;
}

/** The lock is held for the time of a write; who waits longer than this, in milliseconds, waits for one that was stopped. */
const LOCK_WAIT_MS = 1000;

/**
 * Appends to a file that several processes may write to and rotate at the same time. The lock is that of the file itself:
 * whoever holds it, and finds the file still under its name, alone may rename it.
 *
 * @throws what the system says, for example when the disk is full; then nothing that was there is lost
 */
export function appendToLog(text: string, { file, ...limits }: LogLimits & { file: string }): void {
  const bytes = Buffer.from(text);
  const end = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    const log = openSync(file, "a", 0o600);
    try {
      const locked = lockUntil(log, end);
      if (locked && !isNamed(log, file)) continue;
      const size = fstatSync(log).size;
      if (locked && size > 0 && size + bytes.length > limits.maxBytes && rotate(file, limits)) continue;
      return writeAll(log, bytes);
    } finally {
      closeSync(log);
    }
  }
}

/** Without the lock the text is written still, only not rotated: nobody shall stand still for a log. */
function lockUntil(log: number, end: number): boolean {
  for (;;) {
    if (flock(log)) return true;
    if (performance.now() > end) return false;
    Bun.sleepSync(0.2);
  }
}

/** False for a file that another process has renamed between our opening and our locking it. */
function isNamed(log: number, file: string): boolean {
  const named = statSync(file, { throwIfNoEntry: false });
  const open = fstatSync(log);
  return named?.ino === open.ino && named.dev === open.dev;
}

/** Moves every file one number up, the newest last: until then the others wait for its lock. @returns false when it cannot */
function rotate(file: string, { maxFiles }: LogLimits): boolean {
  try {
    const older = olderFiles(file);
    for (const { path, number } of older) {
      if (number >= maxFiles - 1) rmSync(path);
      else renameSync(path, `${file}.${number + 1}`);
    }
    if (maxFiles > 1) renameSync(file, `${file}.1`);
    else rmSync(file);
    return true;
  } catch {
    // For example on a file system that is read-only for names, as one file that is mounted: then it grows.
    return false;
  }
}

/** The rotated files, the oldest first. */
function olderFiles(file: string): { path: string; number: number }[] {
  const start = `${basename(file)}.`;
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(start) && /^[1-9]\d{0,3}$/.test(name.slice(start.length)))
    .map((name) => ({ path: join(dirname(file), name), number: Number(name.slice(start.length)) }))
    .sort((a, b) => b.number - a.number);
}

function writeAll(log: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(log, bytes, at);
}
