import type { Ctx } from "../ctx.ts";
import { type DeclaredThings, type Drift, findDrift } from "../host/declared.ts";
import type { Machine } from "../host/machine.ts";
import { leftAlone } from "../runner/held.ts";
import type { Phase } from "../runner/phase.ts";
import { type PhaseStatus, statusOf } from "../runner/status.ts";

/** What one look at the node found. */
export interface Pass {
  /** All phases that have a check and are not left alone. */
  checks: PhaseStatus[];
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
  onSlow: (titles: readonly string[]) => void;
}

/** Probes all phases at once and compares the host with what was declared. Changes nothing. */
export async function look(ctx: Ctx, options: PassOptions): Promise<Pass> {
  const begun = performance.now();
  const alone = leftAlone(options.phases, options.held);
  const pending = new Map<string, string>();
  const phases = options.phases.filter(({ id, status }) => status && !alone.has(id));
  const slow = setTimeout(() => options.onSlow([...pending.values()]), SLOW_MS);
  try {
    const [checks, drift] = await Promise.all([
      statusOf(ctx, { phases: phases.map((phase) => watched(phase, pending)), notes: {}, busy: false }),
      findDrift(options.machine, options.declared),
    ]);
    return { checks, drift, alone, ms: performance.now() - begun };
  } finally {
    clearTimeout(slow);
    options.onSlow([]);
  }
}

function watched(phase: Phase, pending: Map<string, string>): Phase {
  return {
    ...phase,
    async status(ctx) {
      pending.set(phase.id, phase.title);
      try {
        return (await phase.status?.(ctx)) ?? { state: "running" };
      } finally {
        pending.delete(phase.id);
      }
    },
  };
}
