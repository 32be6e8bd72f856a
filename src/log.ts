import type { Log } from "./ctx.ts";
import { appendToLog, type LogLimits } from "./log-file.ts";

/** What a log keeps unless the configuration says otherwise: the limits of the original. */
const LIMITS: LogLimits = { maxBytes: 5 * 1024 * 1024, maxFiles: 10 };

/** The limits that a configuration sets, for {@linkcode fileLog}. */
export function limitsOf(config: { logMaxSizeMb: number; logMaxFiles: number }): LogLimits {
  return { maxBytes: config.logMaxSizeMb * 1024 * 1024, maxFiles: config.logMaxFiles };
}

/**
 * A log on a file, each line with its time, rotated by size. A full disk must not end the work that the log is about: then
 * lines are lost, and the next that fits goes on.
 *
 * @param options `stamp` gives the time of a line; `limits` are asked for each write, since they may change while the daemon
 * runs: 5 MiB and 10 files when not given
 */
export function fileLog(
  file: string,
  options: { stamp: () => string; limits?: () => Partial<LogLimits> | undefined },
): Log {
  const { stamp, limits } = options;
  const write = (text: string) => {
    const lines = text.split("\n").map((line) => `[${stamp()}] ${line}\n`);
    try {
      appendToLog(lines.join(""), { file, ...LIMITS, ...limits?.() });
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
