import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { AppError, codeOf, LockedError, messageOf } from "../errors.ts";
import { flock } from "./flock.ts";

/** A lock that is held until it is disposed of, or until the process ends in any way. */
export interface Lock {
  [Symbol.dispose](): void;
}

/**
 * Takes the lock of this host. The kernel frees it when the process ends, so a kill leaves no stale lock.
 *
 * @param path the lock file, for example `/run/nodelet.lock`; it says who holds the lock
 * @throws LockedError naming the holder
 */
export function takeLock(path: string, command: string): Lock {
  const file = openLockFile(path);
  if (!flock(file)) {
    const holder = readFileSync(path, "utf8").trim();
    closeSync(file);
    throw new LockedError(`Cannot start: another nodelet is at work on this host: ${holder || "unknown"}`, {
      hint: "wait for it to end, or stop it with Ctrl-C where it runs",
    });
  }
  ftruncateSync(file);
  writeSync(file, `pid ${process.pid}, "${command}", since ${new Date().toISOString()}\n`);
  return { [Symbol.dispose]: () => closeSync(file) };
}

/** How long a holder that gives way may take to reach a safe point, in milliseconds. */
const GIVE_WAY_MS = 90_000;

/**
 * Takes the lock, also from a holder that gives way: it is asked to end, and waited for.
 *
 * @param yielding the command of such a holder
 * @throws LockedError when somebody else has the lock, or the holder does not end in time
 */
export async function takeLockFrom(
  yielding: string,
  { path, command }: { path: string; command: string },
): Promise<Lock> {
  const end = performance.now() + GIVE_WAY_MS;
  const asked = new Set<number>();
  for (;;) {
    try {
      return takeLock(path, command);
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      const holder = lockHolder(path);
      const gone = holder === undefined;
      const pid = pidOf(holder ?? "");
      const yields = gone || (holder.includes(`"${yielding}"`) && pid > 1);
      if (!yields || performance.now() > end) throw error;
      // Once: a second signal would end it in the middle.
      if (!gone && !asked.has(pid)) endAtSafePoint(pid);
      asked.add(pid);
      await Bun.sleep(50);
    }
  }
}

function pidOf(holder: string): number {
  return Number(/^pid (\d+), /.exec(holder)?.[1]);
}

function endAtSafePoint(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch (error) {
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

function openLockFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, "a+", 0o600);
  } catch (error) {
    throw new AppError(`Cannot open the lock "${path}": ${messageOf(error)}`, { hint: "run as root" });
  }
}

/**
 * Who holds the lock of this host, or undefined when nobody does, or has it for so short a time that nothing is written yet.
 * Only looks: trying to take it would refuse a command that starts at the same moment.
 */
export function lockHolder(path: string): string | undefined {
  try {
    const { ino } = statSync(path);
    const locks = readFileSync("/proc/locks", "utf8").split("\n");
    const holders = locks
      .map((line) => line.split(/\s+/))
      .filter(([, type, , , , file]) => type === "FLOCK" && file?.endsWith(`:${ino}`))
      .map(([, , , , pid]) => Number(pid));
    const text = readFileSync(path, "utf8").trim();
    // A file of another file system may have the same number, and what an ended holder has written stays.
    return holders.includes(pidOf(text)) ? text : undefined;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
