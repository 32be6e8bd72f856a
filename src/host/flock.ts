import { dlopen, FFIType } from "bun:ffi";

const LOCK_EX = 2;
const LOCK_NB = 4;

let libc: { symbols: { flock(file: number, operation: number): number } } | undefined;

/**
 * Takes the lock of an open file for its opener alone. Neither node nor Bun has flock(2), so it is called where it is. The
 * kernel frees the lock when the file is closed, also by the death of the process.
 *
 * @param file an open file
 * @returns false when somebody else holds it; it is not waited for
 */
export function flock(file: number): boolean {
  // Kept: a log takes its lock with every line.
  libc ??= dlopen("libc.so.6", { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
  return libc.symbols.flock(file, LOCK_EX | LOCK_NB) === 0;
}
