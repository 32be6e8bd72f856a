import { doTask } from "../daemon/work.ts";
import type { Task } from "../daemon/judge.ts";
import type { WorkerLine } from "../daemon/worker.ts";
import { installDaemon } from "../daemon/install.ts";
import { ExitCode, messageOf, UsageError } from "../errors.ts";
import { takeLock } from "../host/lock.ts";
import { placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { PhaseEvent } from "../runner/events.ts";
import { readHeld } from "../runner/held.ts";
import type { Io } from "./io.ts";
import { type GlobalOptions, openSession, WORKER } from "./session.ts";

/** What `nodelet reconcile` is called with, by the daemon. */
export interface ReconcileCall {
  task: string | undefined;
  options: GlobalOptions & { from?: string };
  signal: AbortSignal;
}

/** Does one task of the daemon, and tells of it in lines of JSON ({@linkcode WorkerLine}). */
export async function reconcile(io: Io, { task, options, signal }: ReconcileCall): Promise<number> {
  const wanted = taskOf(task, options.from);
  using _lock = takeLock(paths.lock, WORKER);
  const session = await openSession({ options, io, signal, purpose: "change" });
  const tell = (line: WorkerLine) => io.out(`${JSON.stringify(line)}\n`);
  const listen = (event: PhaseEvent) => {
    session.record(event);
    if (event.type !== "say") tell(lineOf(event));
  };
  const held = readHeld(placeOf(session.machine, paths.held));
  const report = await session.declaring(async (ctx) => {
    // With all phases goes what keeps them: the program and its unit.
    if (wanted.do === "full" || (wanted.do === "start" && wanted.from === undefined))
      await installDaemon(ctx);
    return await doTask(ctx, { task: wanted, phases: session.phases, held, listen });
  });
  tell({ type: "done", changed: report.changed, failures: report.failures });
  return ExitCode.ok;
}

function taskOf(task: string | undefined, from: string | undefined): Task {
  if (task === "start") return { do: "start", ...(from !== undefined && { from }) };
  if (task === "restart" && from !== undefined) return { do: "restart", from };
  if (task === "full" || task === "follow" || task === "stop") return { do: task };
  throw new UsageError(
    `Cannot reconcile with "${task}"; expected start, restart --from, full, follow or stop`,
  );
}

function lineOf(event: Exclude<PhaseEvent, { type: "say" }>): WorkerLine {
  const { id, title } = event.phase;
  const message = event.type === "fail" ? { message: messageOf(event.error) } : {};
  return { type: event.type, id, title, verb: event.verb, ...message };
}
