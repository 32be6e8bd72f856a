import { z } from "zod";
import { integer, quote } from "./grammar.ts";
import { openedPath } from "./grammar-host.ts";

/** A map of paths to whole GiB, 0 for none. */
export function sizesByPath() {
  return z.record(openedPath(), integer(0, 1_000_000), {
    error: (issue) =>
      `${quote(issue.input)} is not a map of sizes; expected path: GiB, for example /srv/app: 40`,
  });
}

/** Takes the map as a flag has it, `/srv/app=40,/srv/db=10`, and numbers that are written as text. */
export function adaptSizes(value: unknown): unknown {
  const pairs = typeof value === "string" ? value.split(",").map((item) => item.split("=")) : undefined;
  if (pairs && !pairs.every((pair) => pair.length === 2)) return value;
  const map: unknown = pairs ? Object.fromEntries(pairs) : value;
  if (map === null || typeof map !== "object" || Array.isArray(map)) return map;
  const entries = Object.entries(map).map(([path, size]: [string, unknown]) => [
    path.trim(),
    typeof size === "string" && /^\s*\d{1,9}\s*$/.test(size) ? Number(size) : size,
  ]);
  return Object.fromEntries(entries);
}
