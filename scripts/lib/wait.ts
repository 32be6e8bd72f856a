/** How long and how often to look. */
export interface WaitOptions {
  /** The condition in words, for the error. */
  what: string;
  deadlineMs: number;
  /** Pause between two looks. Default: 100 ms. */
  everyMs?: number;
}

/**
 * Looks again and again until something is there.
 *
 * @param look Gives the thing, or undefined while it is not there; what it throws counts as not there and is named at the end.
 * @returns What `look` gave.
 * @throws When the deadline passes.
 */
export async function waitFor<T>(look: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const end = performance.now() + options.deadlineMs;
  let last = "not there yet";
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = (error as Error).message;
    }
    if (performance.now() > end) {
      throw new Error(
        `Cannot see "${options.what}" after ${Math.round(options.deadlineMs / 1000)} s: ${last}`,
      );
    }
    await Bun.sleep(options.everyMs ?? 100);
  }
}
