import { appendFileSync } from "node:fs";
import type { Log } from "./ctx.ts";

/**
 * A log on a file, each line with its time. A full disk must not end the work that the log is about: then lines are
 * lost, and the next that fits goes on.
 */
export function fileLog(file: string, options: { stamp: () => string }): Log {
  const write = (text: string) => {
    const lines = text.split("\n").map((line) => `[${options.stamp()}] ${line}\n`);
    try {
      appendFileSync(file, lines.join(""), { mode: 0o600 });
    } catch {
      // Told above.
    }
  };
  return { info: write, warn: (message) => write(`warning: ${message}`) };
}

/** A log that hands each line on, for `--verbose`. */
export function teeLog(log: Log, also: (line: string) => void): Log {
  return {
    info(message) {
      log.info(message);
      also(message);
    },
    warn(message) {
      log.warn(message);
      also(`warning: ${message}`);
    },
  };
}

/** A log that nobody reads: looking at a host leaves no trace. */
export const silentLog: Log = { info() {}, warn() {} };
