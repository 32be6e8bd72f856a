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
 * Starts phases: each as soon as what it needs is there, in the order of the list where nothing says otherwise. The
 * first failure begins no further phase and cancels the waits; what was started stays, and the next run goes on from
 * there.
 *
 * @throws AppError naming the phase; InterruptedError after the signal of the context, when no phase is half started
 */
export async function startPhases(
  ctx: Ctx,
  options: { phases: readonly Phase[]; listen: Listener },
): Promise<RunReport> {
  const { phases, listen } = options;
  const cancel = new AbortController();
  const inner: Ctx = { ...ctx, signal: AbortSignal.any([ctx.signal, cancel.signal]) };
  const report: RunReport = { changed: [], failures: [] };
  const started: Promise<unknown>[] = [];
  const ready = new Map<string, Promise<void>>();
  for (const [at, phase] of phases.entries()) {
    const step = stepOf({ phase, verb: "start", index: at + 1, total: phases.length, listen });
    const needed = phase.needs ? phase.needs.map((id) => ready.get(id)) : [...started];
    const start = Promise.all(needed).then(async () => {
      if (inner.signal.aborted) throw interrupted(`start the phase "${phase.id}"`);
      step.begin();
      const outcome = await step.guard(() => phase.start(inner, step.say));
      if (outcome === "changed") report.changed.push(phase.id);
      return outcome;
    });
    const wait = start.then(async (outcome) => {
      await step.guard(async () => await phase.ready?.(inner, step.say));
      step.end(outcome);
    });
    // Seen at the end, or by the phase that needs it.
    wait.catch(() => cancel.abort());
    started.push(start);
    ready.set(phase.id, wait);
  }
  const failure = await firstFailure([...ready.values()]);
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
    const step = stepOf({
      phase,
      verb: "stop",
      index: at + 1,
      total: reversed.length,
      listen: options.listen,
    });
    step.begin();
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
function stepOf(details: { phase: Phase; verb: Verb; index: number; total: number; listen: Listener }) {
  const { listen, ...about } = details;
  const { phase, verb } = about;
  let begun = 0;
  let said = "";
  const took = () => performance.now() - begun;
  return {
    begin() {
      begun = performance.now();
      listen({ ...about, type: "begin" });
    },
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

/** Waits for all, and gives the failure that came first in the list, rather than an interruption that it caused. */
async function firstFailure(waits: readonly Promise<void>[]): Promise<unknown> {
  const settled = await Promise.allSettled(waits);
  const reasons = settled.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  return reasons.find((reason) => !(reason instanceof InterruptedError)) ?? reasons[0];
}
