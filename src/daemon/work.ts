import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import type { Listener } from "../runner/events.ts";
import { leftAlone } from "../runner/held.ts";
import type { Phase } from "../runner/phase.ts";
import { type RunReport, startPhases, stopPhases } from "../runner/run.ts";
import type { Task } from "./judge.ts";

/** Certificates are kept by every restart: what they identify does not change by starting anew. */
const KEPT = "020-gen-certs";

/**
 * Does a task. Phases that an operator holds, and those that need one of them, are left alone, unless all is to be stopped.
 *
 * @param options `held`: ids of the phases that were stopped by hand
 * @throws AppError naming the phase that failed, or all that did not stop
 */
export async function doTask(
  ctx: Ctx,
  options: { task: Task; phases: readonly Phase[]; held: ReadonlySet<string>; listen: Listener },
): Promise<RunReport> {
  const { task, phases, listen } = options;
  if (task.do === "stop") return await stopAll(ctx, { phases, listen });
  const alone = leftAlone(phases, options.held);
  const from = "from" in task ? task.from : undefined;
  const first = from === undefined ? 0 : phases.findIndex(({ id }) => id === from);
  if (first === -1) throw new AppError(`Cannot ${task.do} from the phase "${from}": there is none`);
  const chain = phases.slice(first).filter(({ id }) => !alone.has(id));
  if (task.do === "start") return await startPhases(ctx, { phases: chain, listen });
  if (task.do === "follow")
    return await startPhases(ctx, { phases: chain.filter(({ followsPeers }) => followsPeers), listen });
  const stopping = chain.filter(({ id, onlyFullStop }) => !onlyFullStop && id !== KEPT);
  // What does not stop is started all the same: to stop halfway would leave less than there was.
  await stopPhases(ctx, { phases: stopping, listen, force: true });
  // Nobody knows how a phase without a check is. After a restart that was killed it may be stopped, and the chain would
  // wait in vain for what it makes.
  const unknown = phases.slice(0, first).filter(({ id, status }) => !status && !alone.has(id));
  return await startPhases(ctx, { phases: [...unknown, ...chain], listen });
}

/** Goes on past a phase that does not stop, but a node where something still runs is not a stopped one. */
async function stopAll(
  ctx: Ctx,
  options: { phases: readonly Phase[]; listen: Listener },
): Promise<RunReport> {
  const report = await stopPhases(ctx, { ...options, force: true });
  if (report.failures.length > 0) throw new AppError(report.failures.join("; "));
  return report;
}
