import { rm } from "node:fs/promises";
import { AppError, ExitCode, UsageError } from "../errors.ts";
import { Journal, undoAll } from "../host/journal.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { readUnit } from "../host/kinds/unit.ts";
import { paths } from "../paths.ts";
import type { Io, OutputFormat } from "./io.ts";
import { renderTable, showResult } from "./io.ts";
import { duration } from "./progress.ts";
import { type GlobalOptions, openMachine, operatorLock } from "./session.ts";

/** Options of `nodelet reset`. */
export interface ResetOptions extends GlobalOptions {
  yes?: boolean;
  dryRun?: boolean;
  output: OutputFormat;
}

/** Puts the host back to what it was before init. @returns the exit code */
export async function reset(io: Io, { options }: { options: ResetOptions }): Promise<number> {
  const begun = performance.now();
  const machine = openMachine(options.root);
  const journal = new Journal(machine);
  if (options.dryRun) return showPlan(io, { journal, options });
  using _lock = operatorLock(options, "nodelet reset");
  if (!journal.exists) {
    await removeLock(machine);
    showResult(io, { format: options.output, result: { undone: 0, failures: [] }, table: "Nothing to undo: this host is not a node.\n" });
    return ExitCode.ok;
  }
  confirm(io, options);
  const dockerBefore = await dockerSettings(machine);
  const report = await undoAll(machine, {
    journal,
    settle: async () => {
      if (machine.root === "/") await settle(machine, dockerBefore);
    },
    onStep(record, { index, total }) {
      if (io.terminal) io.err(`\r\x1b[K… [${index}/${total}] ${record.kind} ${record.key}`.slice(0, 110));
    },
  });
  if (io.terminal) io.err("\r\x1b[K");
  if (report.failures.length > 0) {
    throw new AppError(`Cannot put everything back; ${report.failures.length} of ${report.undone + report.failures.length} changes remain:\n  ${report.failures.join("\n  ")}`, {
      hint: "remove the causes and run nodelet reset again; the journal was kept",
    });
  }
  journal.discard();
  await removeLock(machine);
  const ms = Math.round(performance.now() - begun);
  showResult(io, {
    format: options.output,
    result: { ...report, ms },
    table: `Undid ${report.undone} changes in ${duration(ms)}; this host is no node any more.\n`,
  });
  return ExitCode.ok;
}

/** The last trace of ours. Whoever takes the lock from now on makes a new file. */
async function removeLock(machine: Machine): Promise<void> {
  if (machine.root === "/") await rm(paths.lock, { force: true });
}

function confirm(io: Io, options: ResetOptions): void {
  if (options.yes) return;
  const answer = io.ask("This stops Kubernetes on this host and removes its data, etcd's too. Type yes to go on: ");
  if (answer === undefined) throw new UsageError("Cannot reset without a confirmation: standard input is not a terminal; expected --yes");
  if (answer.trim() !== "yes") throw new UsageError(`Not reset: the answer was "${answer.trim()}"; expected yes`);
}

const dockerSettings = (machine: Machine) => Bun.file(placeOf(machine, paths.daemonJson)).text().catch(() => "");

/** What no single record knows: systemd reads its files again, and Docker its settings if they changed. */
async function settle(machine: Machine, dockerBefore: string): Promise<void> {
  await machine.run(["systemctl", "daemon-reload"]);
  if ((await dockerSettings(machine)) === dockerBefore) return;
  const docker = await readUnit(machine, "docker.service");
  if (docker.active) await machine.run(["systemctl", "restart", "docker.service"], { timeoutMs: 120_000 });
}

function showPlan(io: Io, { journal, options }: { journal: Journal; options: ResetOptions }): number {
  const records = journal.records().reverse().map(({ kind, key }) => ({ kind, key }));
  const rows = records.map(({ kind, key }) => [kind.toUpperCase(), key]);
  const table = `${rows.length > 0 ? renderTable({ columns: ["KIND", "WHAT"], rows }) : ""}${rows.length} changes would be undone; none was.\n`;
  showResult(io, { format: options.output, result: { plan: records }, table });
  return ExitCode.ok;
}
