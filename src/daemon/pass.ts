import type { Ctx } from "../ctx.ts";
import { type DeclaredThings, type Drift, findDrift } from "../host/declared.ts";
import type { Machine } from "../host/machine.ts";
import { leftAlone } from "../runner/held.ts";
import type { Phase, PhaseState } from "../runner/phase.ts";
import { type PhaseStatus, probe } from "../runner/status.ts";

/** What a check said, and how long it took. */
export interface Check extends PhaseStatus, Pick<PhaseState, "elsewhere"> {
  ms: number;
}

/** What one look at the node found. */
export interface Pass {
  /** Checks in order; those after the first that fails may be missing. */
  checks: Check[];
  drift: Drift[];
  /** Ids of phases that an operator stopped, with those that need them. */
  alone: ReadonlySet<string>;
  /** Milliseconds that it took. */
  ms: number;
}

/** A check that takes longer than this is named in the health document, in milliseconds. */
const SLOW_MS = 500;

/** What a look needs. */
export interface PassOptions {
  machine: Machine;
  phases: readonly Phase[];
  held: ReadonlySet<string>;
  declared: DeclaredThings;
  /** Told the titles of checks that are still under way after half a second, and of none at the end. */
  onSlow?: (titles: readonly string[]) => void;
  /** How long checks after the first that fails are waited for, in milliseconds. @default {0} */
  patienceMs?: number;
}

/**
 * Probes all phases at once and compares the host with what was declared. Changes nothing. It ends when it is known which
 * check is the first to fail: those after it, which often hang on the same trouble, are not waited for longer than wanted.
 */
export async function look(ctx: Ctx, options: PassOptions): Promise<Pass> {
  const begun = performance.now();
  const enough = new AbortController();
  const inner: Ctx = { ...ctx, signal: AbortSignal.any([ctx.signal, enough.signal]) };
  const alone = leftAlone(options.phases, options.held);
  const checks: (Check | undefined)[] = options.phases.map(() => undefined);
  const probes = options.phases.map(async (phase, at) => {
    if (!phase.status || alone.has(phase.id)) return false;
    const found = await probe(inner, phase);
    checks[at] = checkOf(phase, { at, found, ms: performance.now() - begun });
    return isFailing(checks[at]);
  });
  const pending = () =>
    options.phases.filter(({ id, status }, at) => status && !alone.has(id) && !checks[at]);
  const slow = setTimeout(() => options.onSlow?.(pending().map(({ title }) => title)), SLOW_MS);
  try {
    const drifting = findDrift(options.machine, options.declared);
    await untilFailing(probes, options.patienceMs ?? 0);
    const drift = await drifting;
    const known = checks.filter((one) => one !== undefined);
    return { checks: known, drift, alone, ms: performance.now() - begun };
  } finally {
    enough.abort();
    clearTimeout(slow);
    options.onSlow?.([]);
  }
}

/** In order: whoever comes after one that fails is waited for as long as there is patience. */
async function untilFailing(probes: readonly Promise<boolean>[], patienceMs: number): Promise<void> {
  for (const failing of probes) {
    if (!(await failing)) continue;
    if (patienceMs > 0) await Promise.race([Promise.all(probes), Bun.sleep(patienceMs)]);
    return;
  }
}

/** True for a check that says that its phase does not run as it should. */
export function isFailing({ status }: PhaseStatus): boolean {
  return status === "stopped" || status === "failed";
}

function checkOf(phase: Phase, { at, found, ms }: { at: number; found: PhaseState; ms: number }): Check {
  return {
    index: at + 1,
    id: phase.id,
    title: phase.title,
    statusCheck: true,
    status: found.state,
    message: found.message ?? "",
    ...(found.elsewhere && { elsewhere: true }),
    ms,
  };
}
