import type { Ctx } from "../ctx.ts";
import { AppError, InterruptedError, messageOf } from "../errors.ts";
import type { Outcome } from "../host/host.ts";
import type { Listener, Verb } from "./events.ts";
import type { Phase } from "./phase.ts";
import { interrupted } from "./wait.ts";

/** What the phases of a run did. */
export interface RunReport {
  /** Ids of phases that changed something. */
  changed: string[];
  /** Failures that a forced stop went past. */
  failures: string[];
}

/**
 * Starts phases in order. One phase starts at a time; their waits overlap. The first failure ends the run and cancels
 * the waits; what was started stays, and the next run goes on from there.
 *
 * @throws AppError naming the phase; InterruptedError after the signal of the context, when no phase is half started
 */
export async function startPhases(ctx: Ctx, options: { phases: readonly Phase[]; listen: Listener }): Promise<RunReport> {
  const { phases, listen } = options;
  const cancel = new AbortController();
  const inner: Ctx = { ...ctx, signal: AbortSignal.any([ctx.signal, cancel.signal]) };
  const report: RunReport = { changed: [], failures: [] };
  const waits = new Map<string, Promise<void>>();
  try {
    for (const [at, phase] of phases.entries()) {
      await Promise.all((phase.needs ?? []).map((id) => waits.get(id)));
      if (inner.signal.aborted) throw interrupted(`start the phase "${phase.id}"`);
      const step = beginStep({ phase, verb: "start", index: at + 1, total: phases.length, listen });
      const outcome = await step.guard(() => phase.start(inner));
      if (outcome === "changed") report.changed.push(phase.id);
      const wait = step.guard(async () => await phase.ready?.(inner, step.say)).then(() => step.end(outcome));
      // Seen at the end, or by the phase that needs it; a failure ends the other waits.
      wait.catch(() => cancel.abort());
      waits.set(phase.id, wait);
    }
  } catch (error) {
    cancel.abort();
    await Promise.allSettled(waits.values());
    throw await firstFailure(waits, [error]);
  }
  await Promise.allSettled(waits.values());
  const failure = await firstFailure(waits);
  if (failure) throw failure;
  return report;
}

/**
 * Stops phases in reverse order.
 *
 * @param options `force`: goes on past a failing stop and reports it
 * @throws AppError naming the phase that did not stop, unless forced
 */
export async function stopPhases(
  ctx: Ctx,
  options: { phases: readonly Phase[]; listen: Listener; force?: boolean },
): Promise<RunReport> {
  const report: RunReport = { changed: [], failures: [] };
  const reversed = options.phases.toReversed();
  for (const [at, phase] of reversed.entries()) {
    if (ctx.signal.aborted) throw interrupted(`stop the phase "${phase.id}"`);
    const step = beginStep({ phase, verb: "stop", index: at + 1, total: reversed.length, listen: options.listen });
    try {
      const outcome = await step.guard(() => phase.stop(ctx, step.say));
      if (outcome === "changed") report.changed.push(phase.id);
      step.end(outcome);
    } catch (error) {
      if (!options.force || error instanceof InterruptedError) throw error;
      report.failures.push(messageOf(error));
    }
  }
  return report;
}

/** A phase in progress: tells the listener of its begin, its words, its end or its failure. */
function beginStep(details: { phase: Phase; verb: Verb; index: number; total: number; listen: Listener }) {
  const { listen, ...about } = details;
  const { phase, verb } = about;
  const begun = performance.now();
  const took = () => performance.now() - begun;
  let said = "";
  listen({ ...about, type: "begin" });
  return {
    // A wait asks again and again; only what is new is worth a word.
    say(what: string) {
      if (what !== said) listen({ ...about, type: "say", what });
      said = what;
    },
    end: (outcome: Outcome) => listen({ ...about, type: "end", outcome, ms: took() }),
    async guard<T>(work: () => Promise<T>): Promise<T> {
      try {
        return await work();
      } catch (error) {
        listen({ ...about, type: "fail", error, ms: took() });
        throw phaseError({ phase, verb, error });
      }
    },
  };
}

function phaseError(details: { phase: Phase; verb: Verb; error: unknown }): AppError {
  const { phase, verb, error } = details;
  if (error instanceof InterruptedError) return error;
  const hint = error instanceof AppError ? error.hint : undefined;
  return new AppError(`Cannot ${verb} the phase "${phase.id}" (${phase.title}): ${messageOf(error)}`, {
    ...(hint && { hint }),
  });
}

/** The failure that came first in the list, rather than an interruption that it caused elsewhere. */
async function firstFailure(waits: ReadonlyMap<string, Promise<void>>, others: readonly unknown[] = []): Promise<unknown> {
  const settled = await Promise.allSettled(waits.values());
  const failed = settled.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  const reasons = [...failed, ...others];
  return reasons.find((reason) => !(reason instanceof InterruptedError)) ?? reasons[0];
}
