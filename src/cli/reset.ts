import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { DAEMON_UNIT } from "../daemon/unit.ts";
import { AppError, ExitCode, UsageError } from "../errors.ts";
import { Journal } from "../host/journal.ts";
import type { Machine } from "../host/machine.ts";
import { placeOf } from "../host/machine.ts";
import { keptFootprint } from "../host/footprint/keep.ts";
import { undoAll, type UndoReport } from "../host/undo.ts";
import { paths } from "../paths.ts";
import type { Io, OutputFormat } from "./io.ts";
import { renderTable, showResult } from "./io.ts";
import { duration } from "./progress.ts";
import { removeCgroups } from "./reset-cgroups.ts";
import { compareHost, comparisonFields, comparisonText, endMemory, verify } from "./reset-compare.ts";
import {
  dockerTextBefore,
  endContainers,
  engineUnit,
  isInEngine,
  settleEngine,
  wakeEngine,
  withoutNeedlessImages,
} from "./reset-engine.ts";
import { keepData, settleKeepDir } from "./reset-keep.ts";
import { judgeReset, type Way } from "./reset-judge.ts";
import { leaveCluster } from "./reset-leave.ts";
import { findTraces, type Traces } from "./reset-lost.ts";
import { expectRoot, type GlobalOptions, openMachine, operatorLock } from "./session.ts";

/** Options of `nodelet reset`. */
export interface ResetOptions extends GlobalOptions {
  yes?: boolean;
  dryRun?: boolean;
  /** Only compares. */
  verify?: boolean;
  /** Puts etcd's data and the PKI aside, here or in the usual place. */
  keepData?: string | true;
  /** Goes on though the other masters are left without a majority. */
  abandonCluster?: boolean;
  output: OutputFormat;
}

/** What one reset works with. */
interface Work extends Traces {
  io: Io;
  options: ResetOptions;
  machine: Machine;
  journal: Journal;
  /** There is no journal: the records are what the host itself shows. */
  lost: boolean;
}

/** What a reset works with once it is known how the node goes. */
interface Going extends Work {
  way: Way;
}

/** Puts the host back to what it was before init, and compares. @returns the exit code */
export async function reset(io: Io, { options }: { options: ResetOptions }): Promise<number> {
  const machine = openMachine(options.root);
  const journal = new Journal(machine);
  const { output } = options;
  const look = () => workOf(io, { options, machine, journal });
  if (options.dryRun) return showPlan(await look());
  expectRoot(options);
  const asked = !options.verify && (await askFirst(io, await look()));
  using _lock = await operatorLock(options, "nodelet reset");
  if (options.verify) {
    if (!journal.exists) await removeLock(machine);
    return await verify(io, { machine, journal, output });
  }
  // Much may have come to pass until there was an answer.
  const work = await look();
  if (work.records.length > 0) {
    if (!asked) confirm(io, options);
    const way = await judgeReset(io, work);
    if (!work.lost) return await resetNode({ ...work, way });
    // Until its end the daemon makes more of what is looked for.
    await endDaemon(machine);
    return await resetLost({ ...work, ...(await findTraces(machine)), way });
  }
  await removeLock(machine);
  if (keptFootprint(journal)) return await verify(io, { machine, journal, output });
  const result = { undone: 0, failures: [], differences: [], equal: true };
  showResult(io, { format: output, result, table: "Nothing to undo: this host is not a node.\n" });
  return ExitCode.ok;
}

/** Asks where there is something to undo; what keeps it from being undone is told before. @returns true when the answer was yes */
async function askFirst(io: Io, work: Work): Promise<boolean> {
  if (work.options.yes || work.records.length === 0) return false;
  await judgeReset(io, work);
  confirm(io, work.options);
  return true;
}

async function workOf(
  io: Io,
  given: { options: ResetOptions; machine: Machine; journal: Journal },
): Promise<Work> {
  const { machine, journal } = given;
  const lost = !journal.exists;
  const traces = lost ? await findTraces(machine) : { records: journal.records(), unknown: [] };
  return { io, ...given, ...traces, lost };
}

/** The journal tells what was there before. */
async function resetNode(work: Going): Promise<number> {
  const begun = performance.now();
  const { io, machine, journal, options } = work;
  const now = Date.now();
  const dir = await settleKeepDir(machine, { journal, asked: options.keepData, now });
  if (journal.onlyCopy) {
    io.err(`warning: The journal in "${paths.stateDir}" is gone; its copy in /var/lib/nodelet is used\n`);
    journal.heal();
  }
  const { report, kept } = await undo(work, dir);
  if (report.failures.length > 0) return failed(work, { ...report, kept });
  const found = await compareHost(machine, journal);
  // A journal that was begun anew on a node, after its first one was lost, tells only the rest.
  const left = found ? undefined : await findTraces(machine);
  if (left && left.records.length > 0) return await resetLost({ ...work, ...left, lost: true, way: "stay" });
  endMemory(journal, found);
  await removeLock(machine);
  const ms = Math.round(performance.now() - begun);
  showResult(io, {
    format: options.output,
    result: { ...report, ...comparisonFields(found), ...(kept && { kept }), ms },
    table: `${comparisonText(`Undid ${report.undone} changes in ${duration(ms)}`, found)}${keptText(kept)}`,
  });
  return found && found.differences.length > 0 ? ExitCode.failed : ExitCode.ok;
}

/** Only the host itself tells. What could be somebody's own is put aside, not removed. */
async function resetLost(work: Going): Promise<number> {
  const { io, machine, journal, options, records, unknown } = work;
  const hasData = [paths.certs, ...records.map(({ key }) => `${key}/member`)].some((path) =>
    existsSync(placeOf(machine, path)),
  );
  const asked = options.keepData ?? (hasData || undefined);
  const dir = await settleKeepDir(machine, { journal, asked, now: Date.now() });
  const { report, kept } = await undo(work, dir);
  if (report.failures.length > 0) return failed(work, { ...report, kept });
  await removeLock(machine);
  const lines = unknown.map((line) => `  ${line}\n`).join("");
  const rest = lines ? `What was there before init is not known, so this stays as it is:\n${lines}` : "";
  showResult(io, {
    format: options.output,
    result: {
      ...report,
      removed: names(records),
      unknown,
      differences: [],
      equal: null,
      ...(kept && { kept }),
    },
    table: `The journal is lost; removed what is surely of nodelet:\n${names(records)
      .map((name) => `  ${name}\n`)
      .join("")}${rest}${keptText(kept)}`,
  });
  return unknown.length === 0 ? ExitCode.ok : ExitCode.failed;
}

/** Without directories: they went only where nothing was left in them. */
const names = (records: Work["records"]) =>
  records.flatMap(({ kind, key }) => (kind === "dir" ? [] : [`${kind} ${key}`]));

const keptText = (kept: string | undefined) =>
  kept === undefined ? "" : `Kept etcd's data and the certificates in ${kept}.\n`;

/** Undoes all that can be undone, in a way that a kill at any moment leaves for the next run to finish. */
async function undo(
  work: Going,
  dir: string | undefined,
): Promise<{ report: UndoReport; kept: string | undefined }> {
  const { io, machine, journal, lost, options } = work;
  const live = machine.root === "/";
  const unit = engineUnit(work.records);
  const records = withoutNeedlessImages(work.records, unit);
  await leaveCluster(io, { options, way: work.way, end: () => endDaemon(machine) });
  await endDaemon(machine);
  const needsEngine = records.some(isInEngine);
  let dead = needsEngine ? await wakeEngine(machine, unit) : undefined;
  const postponed = dead !== undefined;
  if (live && needsEngine && !(await machine.docker.alive())) await endContainers(machine, journal);
  if (dir !== undefined) await keepData(machine, { dir, records, journal });
  const before = lost ? undefined : await dockerTextBefore(machine);
  const report = await undoAll(machine, {
    records,
    postpone: (record) => postponed && isInEngine(record),
    refuse: () => dead,
    settle: async () => {
      if (!live) return;
      await machine.run(["systemctl", "daemon-reload"]);
      // What kept it from starting may have been undone.
      if (postponed) dead = await wakeEngine(machine, unit);
      if (!lost) await settleEngine(machine, { unit, before });
    },
    onStep(record, { index, total }) {
      if (io.terminal) io.err(`\r\x1b[K… [${index}/${total}] ${record.kind} ${record.key}`.slice(0, 110));
    },
  });
  // After what was postponed: an engine that came back had started its containers again.
  if (live) await removeCgroups(machine, keptFootprint(journal)?.areas["cgroups"] ?? {});
  if (io.terminal) io.err("\r\x1b[K");
  return { report, kept: dir };
}

/** Not everything could be undone: tells exactly what remains. */
function failed(
  { io, options, lost }: Work,
  { undone, failures, kept }: UndoReport & { kept: string | undefined },
): never {
  if (options.output !== "table") {
    const result = { undone, failures, differences: [], equal: false, ...(kept && { kept }) };
    showResult(io, { format: options.output, result, table: "" });
  }
  throw new AppError(
    `Cannot put everything back; ${failures.length} of ${undone + failures.length} changes remain:\n  ${failures.join("\n  ")}`,
    { hint: `remove the causes and run nodelet reset again${lost ? "" : "; the journal was kept"}` },
  );
}

/** What keeps the node as declared must not see how it is undone; after a power cut neither. */
async function endDaemon(machine: Machine): Promise<void> {
  if (machine.root !== "/") return;
  const { stdout } = await machine.run(["systemctl", "show", DAEMON_UNIT, "--property=LoadState"]);
  if (stdout.includes("not-found")) return;
  await machine.run(["systemctl", "disable", "--now", "--quiet", DAEMON_UNIT], { timeoutMs: 120_000 });
}

/** The last trace of ours. Whoever takes the lock from now on makes a new file. */
async function removeLock(machine: Machine): Promise<void> {
  if (machine.root === "/") await rm(paths.lock, { force: true });
}

function confirm(io: Io, options: ResetOptions): void {
  if (options.yes) return;
  const answer = io.ask(
    "This stops Kubernetes on this host and removes its data, etcd's too. Type yes to go on: ",
  );
  if (answer === undefined)
    throw new UsageError(
      "Cannot reset without a confirmation: standard input is not a terminal; expected --yes",
    );
  if (answer.trim() !== "yes")
    throw new UsageError(`Not reset: the answer was "${answer.trim()}"; expected yes`);
}

function showPlan({ io, options, records: all }: Work): number {
  const records = [...all].reverse().map(({ kind, key }) => ({ kind, key }));
  const rows = records.map(({ kind, key }) => [kind.toUpperCase(), key]);
  const table = `${rows.length > 0 ? renderTable({ columns: ["KIND", "WHAT"], rows }) : ""}${rows.length} changes would be undone; none was.\n`;
  showResult(io, { format: options.output, result: { plan: records }, table });
  return ExitCode.ok;
}
