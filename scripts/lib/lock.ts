import { dlopen, FFIType } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { say } from "./progress.ts";
import { waitFor } from "./wait.ts";

const LOCK_EX_NB = 2 | 4;
const TELL_AFTER_MS = 2000;

/**
 * Holds an exclusive flock(2) on a file while the work runs. The kernel lets go of it when the process ends, however it ends.
 *
 * @param path The lock file; made when missing, never removed (removing it would let two holders in).
 * @param deadlineMs How long to wait for another holder.
 * @throws When the lock is not free before the deadline, or whatever the work throws.
 */
export async function withLock<T>(path: string, deadlineMs: number, work: () => Promise<T>): Promise<T> {
  const libc = dlopen("libc.so.6", {
    flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  const fd = openSync(path, "a", 0o600);
  try {
    const take = () => libc.symbols.flock(fd, LOCK_EX_NB) === 0;
    const started = performance.now();
    let told = false;
    await waitFor(
      async () => {
        if (take()) return true;
        // A holder that is about to finish is not worth a line.
        if (!told && performance.now() - started > TELL_AFTER_MS) {
          say(`another run holds ${path}: waiting for it`);
          told = true;
        }
        return undefined;
      },
      { what: `a free lock on ${path}`, deadlineMs, everyMs: 50 },
    );
    return await work();
  } finally {
    closeSync(fd);
    libc.close();
  }
}
