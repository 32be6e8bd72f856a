import { AppError, InterruptedError, UnavailableError } from "../errors.ts";
import type { Clock } from "../ctx.ts";
import type { Say } from "./phase.ts";

/** What a poll found: the value waited for, or what is still missing; the deadline begins anew whenever `progress` is another. */
export type Poll<T> = { value: T } | { missing: string; progress?: string };

/** How to wait. */
export interface WaitOptions {
  /** What is waited for, as the object of "Cannot …": `start etcd`. */
  action: string;
  timeoutMs: number;
  /** Milliseconds between polls. @default {100} */
  everyMs?: number;
  clock: Clock;
  signal: AbortSignal;
  say?: Say;
  hint?: string;
}

/**
 * Polls until a condition holds. A poll that ends in an {@linkcode UnavailableError} is one that has not found it yet.
 *
 * @returns the value of the poll
 * @throws AppError with what was missing last when the time is over; InterruptedError when the signal fires
 */
export async function until<T>(poll: () => Promise<Poll<T>>, options: WaitOptions): Promise<T> {
  const { clock, signal } = options;
  let end = clock.monotonic() + options.timeoutMs;
  let progress: string | undefined;
  for (;;) {
    if (signal.aborted) throw interrupted(options.action);
    const found = await poll().catch(notYet);
    if ("value" in found) return found.value;
    options.say?.(found.missing);
    if (found.progress !== progress) end = clock.monotonic() + options.timeoutMs;
    progress = found.progress;
    if (clock.monotonic() >= end) {
      throw new AppError(
        `Cannot ${options.action} within ${options.timeoutMs / 1000} s: ${found.missing}`,
        options.hint ? { hint: options.hint } : {},
      );
    }
    await clock.sleep(options.everyMs ?? 100, signal);
  }
}

/** Who cannot answer now is asked again, until the time is over. */
function notYet(error: unknown): Poll<never> {
  if (error instanceof UnavailableError) return { missing: error.message };
  throw error;
}

/** The error of an action that the operator stopped. */
export function interrupted(action: string): InterruptedError {
  return new InterruptedError(`Interrupted: did not ${action}`, {
    hint: "run the same command again to go on",
  });
}
