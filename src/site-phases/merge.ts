import type { Phase } from "../runner/phase.ts";

/**
 * Puts a site's phases among those of the program, by number. A script expects a node that works so far, so it waits until
 * everything before it is ready; and what comes after it waits for it.
 */
export function mergePhases(builtIn: readonly Phase[], scripts: readonly Phase[]): readonly Phase[] {
  if (scripts.length === 0) return builtIn;
  const isScript = new Set(scripts);
  const all = [...builtIn, ...scripts].sort((a, b) => numberOf(a) - numberOf(b));
  return all.map((phase, at) => {
    const before = all.slice(0, at);
    if (isScript.has(phase)) return { ...phase, needs: before.map(({ id }) => id) };
    // Without needs it waits for everything before it anyway.
    if (!phase.needs) return phase;
    const added = before.filter((one) => isScript.has(one)).map(({ id }) => id);
    return added.length === 0 ? phase : { ...phase, needs: [...phase.needs, ...added] };
  });
}

/** The number that a phase begins with. */
export function numberOf({ id }: Pick<Phase, "id">): number {
  return Number(id.slice(0, 3));
}
