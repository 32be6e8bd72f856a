import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { writeAtomically } from "../host/atomic.ts";
import type { Phase } from "./phase.ts";

/**
 * Reads which phases an operator stopped by hand: they stay stopped until started, across a reboot. A missing or broken
 * file holds none.
 *
 * @returns their ids
 */
export function readHeld(file: string): Set<string> {
  try {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"));
    return new Set(Array.isArray(found) ? found.filter((one) => typeof one === "string") : []);
  } catch {
    return new Set();
  }
}

/** Adds phases to those that are held, or takes them out. On the disk when this returns. */
export async function changeHeld(
  file: string,
  change: { add?: readonly Phase[]; remove?: readonly Phase[] },
): Promise<void> {
  const before = readHeld(file);
  const held = new Set(before);
  for (const { id } of change.add ?? []) held.add(id);
  for (const { id } of change.remove ?? []) held.delete(id);
  if (held.size === before.size && [...held].every((id) => before.has(id))) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  await writeAtomically(file, `${JSON.stringify([...held].sort())}\n`, { mode: 0o600 });
}

/**
 * The phases that are left alone: those that are held, and those that need one of them. A phase that names no needs
 * needs all before it; nothing needs a phase of the site.
 */
export function leftAlone(phases: readonly Phase[], held: ReadonlySet<string>): Set<string> {
  const alone = new Set<string>();
  const sites = new Set(phases.filter(({ site }) => site).map(({ id }) => id));
  for (const [at, phase] of phases.entries()) {
    const needs = phase.needs ?? phases.slice(0, at).map(({ id }) => id);
    if (held.has(phase.id) || needs.some((id) => alone.has(id) && !sites.has(id))) alone.add(phase.id);
  }
  return alone;
}
