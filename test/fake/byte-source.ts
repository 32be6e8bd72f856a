import type { ByteSource } from "../../src/bundle/remote.ts";
import { NotHereError } from "../../src/bundle/remote.ts";

/** What a source does with a request instead of answering it. */
export type Misdeed = "wrong bytes" | "too few" | "breaks" | "hangs" | "has it not";

/** A source that has bytes in memory, and what it was asked for. */
export interface FakeSource extends ByteSource {
  bytes: Buffer;
  /** First bytes of the ranges, in the order in which they were asked for. */
  readonly asked: number[];
  /** Requests that it has begun and not ended. */
  readonly open: Set<number>;
}

/**
 * Makes one.
 *
 * @param how `misdeed`: what it does with a request, by its number from 0 on and the range; `gate`: an answer waits for it
 */
export function fakeSource(
  bytes: Buffer,
  how: {
    name?: string;
    misdeed?: (request: number, range: { at: number; size: number }) => Misdeed | undefined;
    gate?: (at: number) => Promise<unknown> | undefined;
  } = {},
): FakeSource {
  const { name = "m1", misdeed = () => undefined, gate = () => undefined } = how;
  const source: FakeSource = {
    name,
    bytes,
    asked: [],
    open: new Set(),
    size: async () => source.bytes.length,
    async read(range, signal) {
      const deed = misdeed(source.asked.push(range.at) - 1, range);
      source.open.add(range.at);
      try {
        await gate(range.at);
        if (deed === "hangs") await ended(signal);
        if (deed === "breaks") throw new Error("ECONNRESET");
        if (deed === "has it not") throw new NotHereError("404");
        const found = Buffer.from(source.bytes.subarray(range.at, range.at + range.size));
        if (deed === "wrong bytes") found[found.length - 1] = (found.at(-1) ?? 0) ^ 1;
        return deed === "too few" ? found.subarray(1) : found;
      } finally {
        source.open.delete(range.at);
      }
    },
  };
  return source;
}

function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
