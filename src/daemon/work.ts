import type { Ctx } from "../ctx.ts";
import type { Listener } from "../runner/events.ts";
import { leftAlone } from "../runner/held.ts";
import type { Phase } from "../runner/phase.ts";
import { type RunReport, startPhases, stopPhases } from "../runner/run.ts";
import type { Task } from "./judge.ts";

/** Certificates are kept by every restart: what they identify does not change by starting anew. */
const KEPT = "020-gen-certs";

/**
 * Does a task. Phases that an operator holds, and those that need one of them, are left alone.
 *
 * @param options `held`: ids of the phases that were stopped by hand
 * @throws AppError naming the phase that failed
 */
export async function doTask(
  ctx: Ctx,
  options: { task: Task; phases: readonly Phase[]; held: ReadonlySet<string>; listen: Listener },
): Promise<RunReport> {
  const { task, listen } = options;
  const alone = leftAlone(options.phases, options.held);
  const phases = options.phases.filter(({ id }) => !alone.has(id));
  if (task.do === "stop") return await stopPhases(ctx, { phases, listen, force: true });
  const from = task.do === "full" ? undefined : task.from;
  const chain = from === undefined ? phases : phases.slice(phases.findIndex(({ id }) => id === from));
  if (task.do !== "start") {
    const stopping = chain.filter(({ id, onlyFullStop }) => !onlyFullStop && id !== KEPT);
    // What does not stop is started all the same: to stop halfway would leave less than there was.
    await stopPhases(ctx, { phases: stopping, listen, force: true });
  }
  return await startPhases(ctx, { phases: chain, listen });
}
