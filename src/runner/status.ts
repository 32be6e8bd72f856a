import type { Ctx } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import type { PhaseNotes } from "./book.ts";
import type { Phase, PhaseState } from "./phase.ts";

/** The state of a phase as the operator sees it. */
export interface PhaseStatus {
  index: number;
  id: string;
  title: string;
  /** Whether the phase has a probe. */
  statusCheck: boolean;
  status: "running" | "stopped" | "failed" | "executing" | "N/A";
  /** What is wrong; empty when nothing is. */
  message: string;
}

/** The longest that one probe may take, in milliseconds. */
export const PROBE_TIMEOUT_MS = 10_000;

/**
 * Probes all phases at once.
 *
 * @param options `notes`: what was done last; `busy`: whether an operation is under way now
 */
export async function statusOf(
  ctx: Ctx,
  options: { phases: readonly Phase[]; notes: PhaseNotes; busy: boolean },
): Promise<PhaseStatus[]> {
  return await Promise.all(
    options.phases.map(async (phase, at) => {
      const note = options.notes[phase.id];
      const about = {
        index: at + 1,
        id: phase.id,
        title: phase.title,
        statusCheck: phase.status !== undefined,
      };
      if (options.busy && note?.status === "executing")
        return { ...about, status: "executing", message: "" } as const;
      if (!phase.status) return { ...about, status: "N/A", message: "" } as const;
      const found = await probe(ctx, phase);
      return { ...about, status: found.state, message: found.message ?? "" };
    }),
  );
}

/** What is passing is asked again so often, after a pause in milliseconds: a second is no reason to start anything anew. */
const AGAIN = { times: 2, afterMs: 700 } as const;

/** Probes one phase, within its deadline; never throws. */
export async function probe(ctx: Ctx, phase: Phase): Promise<PhaseState> {
  const late = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const inner: Ctx = { ...ctx, signal: AbortSignal.any([ctx.signal, late]) };
  const expired = new Promise<PhaseState>((resolve) => {
    late.addEventListener("abort", () =>
      resolve({ state: "failed", message: `the check did not end within ${PROBE_TIMEOUT_MS / 1000} s` }),
    );
  });
  try {
    return await Promise.race([askAgain(inner, phase), expired]);
  } catch (error) {
    // A probe that cannot look finds nothing running; why it could not is the message.
    return { state: "stopped", message: messageOf(error) };
  }
}

async function askAgain(ctx: Ctx, phase: Phase): Promise<PhaseState> {
  if (!phase.status) throw new Error(`"${phase.id}" has no check`);
  let found = await phase.status(ctx);
  for (let left = AGAIN.times; left > 0 && found.passing; left--) {
    await ctx.clock.sleep(AGAIN.afterMs, ctx.signal);
    found = await phase.status(ctx);
  }
  return found;
}
