import { rename, rm } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { temporaryOf, writeError } from "../host/atomic.ts";

/**
 * Lets `fill` make a file beside the target, and puts it in the target's place when it is complete. Where that fails the target is
 * as it was, and nothing is left beside it.
 *
 * @param fill makes the file of the name that it is given, which does not exist
 * @throws AppError of `fill`, or naming the target and why it cannot be written
 */
export async function replaceFile<T>(target: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = temporaryOf(target);
  try {
    // Left over by a killed run.
    await rm(temporary, { force: true });
    const result = await fill(temporary);
    await rename(temporary, target);
    return result;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error instanceof AppError ? error : writeError(target, error);
  }
}
