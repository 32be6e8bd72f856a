import { UsageError } from "../errors.ts";
import type { Phase } from "./phase.ts";

/**
 * Finds a phase by what the operator typed: a 1-based index of `phases list`, an id, or the name without its number.
 *
 * @throws UsageError with the range and the nearest thing to look at
 */
export function findPhase(phases: readonly Phase[], typed: string): number {
  const at = /^\d{1,2}$/.test(typed)
    ? Number(typed) - 1
    : phases.findIndex((phase) => isCalled(phase, typed));
  if (phases[at]) return at;
  throw new UsageError(
    `Cannot find the phase "${typed}"; expected an index from 1 to ${phases.length} or an id such as "${phases[0]?.id}"`,
    { hint: 'see "nodelet phases list"' },
  );
}

function isCalled(phase: Phase, typed: string): boolean {
  return phase.id === typed || phase.id.slice(4) === typed || phase.id.slice(0, 3) === typed;
}

/**
 * The phases that an operation is about: all, from one to the end, or one alone.
 *
 * @param options `phase`: what the operator typed; `single`: only that one
 */
export function selectPhases(
  phases: readonly Phase[],
  options: { phase?: string | undefined; single?: boolean | undefined },
): readonly Phase[] {
  if (options.phase === undefined) {
    if (options.single)
      throw new UsageError("Cannot tell which phase --single is about; expected --phase as well");
    return phases;
  }
  const at = findPhase(phases, options.phase);
  return options.single ? phases.slice(at, at + 1) : phases.slice(at);
}

/** The phases that a stop is about: what is only for a full stop is left out of any other. */
export function selectForStop(
  phases: readonly Phase[],
  options: { phase?: string | undefined; single?: boolean | undefined },
): readonly Phase[] {
  const selected = selectPhases(phases, options);
  const full = selected.length === phases.length || options.single;
  return full ? selected : selected.filter((phase) => !phase.onlyFullStop);
}
