import { existsSync } from "node:fs";
import type { Ctx } from "../ctx.ts";
import { AppError, ExitCode } from "../errors.ts";
import { lockHolder } from "../host/lock.ts";
import { paths } from "../paths.ts";
import { placeOf } from "../host/machine.ts";
import { readNotes } from "../runner/book.ts";
import type { PhaseEvent } from "../runner/events.ts";
import { changeHeld } from "../runner/held.ts";
import type { Phase } from "../runner/phase.ts";
import { type RunReport, startPhases, stopPhases } from "../runner/run.ts";
import { findPhase, selectForStop, selectPhases } from "../runner/select.ts";
import { type PhaseStatus, statusOf } from "../runner/status.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { progress } from "./progress.ts";
import { type GlobalOptions, openMachine, openSession, operatorLock, type Session } from "./session.ts";

/** Options of the `phases` commands. */
export interface PhaseOptions extends GlobalOptions {
  output: OutputFormat;
  /** An index or an id; from there on, down to there, or that one alone. */
  phase?: string;
  single?: boolean;
  force?: boolean;
  regenCerts?: boolean;
  dryRun?: boolean;
}

/** What a command is called with. */
export interface PhaseCall {
  options: PhaseOptions;
  signal: AbortSignal;
}

/** `phases list`: what there is. */
export async function listPhases(io: Io, { options, signal }: PhaseCall): Promise<number> {
  const { phases } = await openSession({ options, io, signal, purpose: "look" });
  const result = phases.map((phase, at) => ({
    index: at + 1,
    id: phase.id,
    name: phase.title,
    statusCheck: phase.status !== undefined,
  }));
  const rows = result.map((one) => [String(one.index), one.id, one.name, String(one.statusCheck)]);
  const columns = ["INDEX NUMBER", "FILE NAME", "NAME", "STATUS CHECK"];
  showResult(io, { format: options.output, result, table: { columns, rows } });
  return ExitCode.ok;
}

/** `phases status`: what is true now. @returns 1 when a phase that has a check does not run */
export async function phasesStatus(io: Io, { options, signal }: PhaseCall): Promise<number> {
  const session = await openSession({ options, io, signal, purpose: "look" });
  const result = (await probeAll(session)).filter(
    (_, at) => !options.phase || at === findPhase(session.phases, options.phase),
  );
  const rows = result.map((one) => [
    String(one.index),
    one.id,
    one.title,
    String(one.statusCheck),
    one.status,
    one.message,
  ]);
  const columns = ["INDEX NUMBER", "FILE NAME", "NAME", "STATUS CHECK", "PHASE STATUS", "MESSAGE"];
  showResult(io, { format: options.output, result, table: { columns, rows } });
  return isHealthy(result) ? ExitCode.ok : ExitCode.failed;
}

/** Probes every phase of a session. */
async function probeAll(session: Session): Promise<PhaseStatus[]> {
  const notes = readNotes(placeOf(session.machine, paths.phases));
  const busy = lockHolder(paths.lock) !== undefined;
  return await statusOf(session.ctx, { phases: session.phases, notes, busy });
}

/** True when every phase that has a check runs. */
function isHealthy(statuses: readonly PhaseStatus[]): boolean {
  return statuses.every((one) => one.status === "running" || one.status === "N/A");
}

/** `phases start` */
export async function phasesStart(io: Io, call: PhaseCall): Promise<number> {
  return await operate(io, {
    ...call,
    verb: "start",
    async work({ session, ctx, listen }) {
      const phases = selectPhases(session.phases, call.options);
      await hold(session, { remove: phases });
      return await startPhases(ctx, { phases, listen });
    },
  });
}

/** `phases stop` */
export async function phasesStop(io: Io, call: PhaseCall): Promise<number> {
  return await operate(io, {
    ...call,
    verb: "stop",
    async work({ session, ctx, listen }) {
      const phases = selectForStop(session.phases, call.options);
      await hold(session, { add: phases });
      return await stopPhases(ctx, { phases, listen, force: call.options.force ?? false });
    },
  });
}

/** `phases restart`: certificates stay unless `--regen-certs` says otherwise, and nothing is drained. */
export async function phasesRestart(io: Io, call: PhaseCall): Promise<number> {
  const { options } = call;
  return await operate(io, {
    ...call,
    verb: "restart",
    async work({ session, ctx, listen }) {
      const selected = selectPhases(session.phases, options);
      await hold(session, { remove: selected });
      const stopping = selected.filter((phase) =>
        isRestarted(phase, { regenCerts: options.regenCerts === true }),
      );
      await stopPhases(ctx, { phases: stopping, listen, force: options.force ?? false });
      return await startPhases(ctx, { phases: selected, listen });
    },
  });
}

function isRestarted(phase: Phase, { regenCerts }: { regenCerts: boolean }): boolean {
  return !phase.onlyFullStop && (regenCerts || phase.id !== "020-gen-certs");
}

interface Operation extends PhaseCall {
  verb: string;
  work(tools: { session: Session; ctx: Ctx; listen: (event: PhaseEvent) => void }): Promise<RunReport>;
}

/** What an operator stops stays stopped until started: the daemon leaves it alone. Said before the first phase is touched. */
async function hold(
  { machine, ctx }: Session,
  change: { add?: readonly Phase[]; remove?: readonly Phase[] },
): Promise<void> {
  if (!ctx.host.detached) await changeHeld(placeOf(machine, paths.held), change);
}

/** What the three operations share: root, the lock, a node to work on, progress, and a report. */
async function operate(io: Io, { options, signal, verb, work }: Operation): Promise<number> {
  using _lock = await operatorLock(options, `nodelet phases ${verb}`);
  // Before anything that only a node has is missed, such as a bundle.
  if (!existsSync(placeOf(openMachine(options.root), paths.cluster))) {
    throw new AppError(`Cannot ${verb} phases: this host is not a node`, { hint: "run nodelet init first" });
  }
  const session = await openSession({ options, io, signal, purpose: options.dryRun ? "plan" : "change" });
  const shown = progress(io);
  const listen = (event: PhaseEvent) => {
    session.record(event);
    if (!options.dryRun) shown.listen(event);
  };
  const report = await session.declaring((ctx) => work({ session, ctx, listen })).finally(shown.clear);
  const words = options.dryRun
    ? session.plan.map((change) => `${change.kind} ${change.key}: ${change.from} -> ${change.to}\n`).join("")
    : `${report.changed.length} phases changed something.\n`;
  const failures = report.failures.map((failure) => `not stopped: ${failure}\n`).join("");
  showResult(io, {
    format: options.output,
    result: { ...report, plan: session.plan },
    table: words + failures,
  });
  return report.failures.length > 0 ? ExitCode.failed : ExitCode.ok;
}
