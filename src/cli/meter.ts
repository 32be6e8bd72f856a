import { progressText, sizeText } from "../size-text.ts";
import type { Io } from "./io.ts";
import { duration } from "./progress.ts";

/** How often a terminal's line is drawn anew, and how often a log gets a line, in milliseconds. */
const DRAW_MS = 100;
const LINE_MS = 10_000;

/** Shows how far long work on a known number of bytes is. */
export interface Meter {
  add(bytes: number): void;
  /** Takes the line away, and says what was done where it took long enough to be worth a line. */
  end(): void;
}

/**
 * Begins a meter: on a terminal a line with bytes, rate and the time that is left; elsewhere a line every ten seconds.
 *
 * @param what for example `verify the bundle`
 * @param total bytes in all
 * @param now milliseconds of a clock that never goes back
 */
export function meter(
  io: Io,
  { what, total, now = () => performance.now() }: { what: string; total: number; now?: () => number },
): Meter {
  const begun = now();
  let done = 0;
  let shown = begun;
  return {
    add(bytes) {
      done += bytes;
      const at = now();
      if (at - shown < (io.terminal ? DRAW_MS : LINE_MS)) return;
      shown = at;
      const text = `… ${what}: ${progressText({ done, total, ms: at - begun })}`;
      io.err(io.terminal ? `\r\x1b[K${text}` : `${text}\n`);
    },
    end() {
      const ms = now() - begun;
      if (io.terminal) io.err("\r\x1b[K");
      if (ms >= LINE_MS) io.err(`${what}: ${sizeText(done)} in ${duration(ms)}\n`);
    },
  };
}
