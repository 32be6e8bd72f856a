import { UsageError } from "../errors.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads a duration as `90m`, `24h` or `1h30m`.
 *
 * @param flag for the message
 * @returns milliseconds
 * @throws UsageError for anything else, and for nothing at all
 */
export function parseDuration(text: string, flag: string): number {
  if (!/^(\d{1,6}[smhd]){1,4}$/.test(text))
    throw new UsageError(`Cannot read ${flag} "${text}"; expected a duration, for example 90m, 24h or 1h30m`);
  const parts = [...text.matchAll(/(\d+)([smhd])/g)];
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ""] ?? 0), 0);
  if (ms === 0) throw new UsageError(`Cannot use ${flag} "${text}"; expected more than nothing`);
  return ms;
}
