import { rm, stat } from "node:fs/promises";
import { DAEMON_UNIT } from "../daemon/unit.ts";
import { AppError, ExitCode, UsageError } from "../errors.ts";
import { writeAtomically } from "../host/atomic.ts";
import { Journal, undoAll } from "../host/journal.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { readUnit } from "../host/kinds/unit.ts";
import { dockerNeed, type DockerSettings, parseDockerSettings } from "../docker/settings.ts";
import { systemClock } from "../ctx.ts";
import { until } from "../runner/wait.ts";
import { paths } from "../paths.ts";
import type { Io, OutputFormat } from "./io.ts";
import { renderTable, showResult } from "./io.ts";
import { duration } from "./progress.ts";
import { type GlobalOptions, openMachine, operatorLock } from "./session.ts";

const DOCKER = "docker.service";
const DOCKER_BEFORE = `${paths.stateDir}/docker-before-reset.json`;

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
  using _lock = await operatorLock(options, "nodelet reset");
  if (!journal.exists) {
    await removeLock(machine);
    showResult(io, {
      format: options.output,
      result: { undone: 0, failures: [] },
      table: "Nothing to undo: this host is not a node.\n",
    });
    return ExitCode.ok;
  }
  confirm(io, options);
  await endDaemon(machine);
  await wakeDocker(machine, journal);
  const dockerBefore = await dockerTextBefore(machine);
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
    throw new AppError(
      `Cannot put everything back; ${report.failures.length} of ${report.undone + report.failures.length} changes remain:\n  ${report.failures.join("\n  ")}`,
      {
        hint: "remove the causes and run nodelet reset again; the journal was kept",
      },
    );
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

/** What keeps the node as declared must not see how it is undone; after a power cut neither. */
async function endDaemon(machine: Machine): Promise<void> {
  if (machine.root !== "/") return;
  const { stdout } = await machine.run(["systemctl", "show", DAEMON_UNIT, "--property=LoadState"]);
  if (stdout.includes("not-found")) return;
  await machine.run(["systemctl", "disable", "--now", "--quiet", DAEMON_UNIT], { timeoutMs: 120_000 });
}

/** Containers go on without a Docker that was stopped meanwhile; only Docker itself can remove them. */
async function wakeDocker(machine: Machine, journal: Journal): Promise<void> {
  const inDocker = journal
    .records()
    .some(({ kind }) => kind === "container" || kind === "image" || kind === "pods");
  if (machine.root !== "/" || !inDocker || (await machine.docker.alive())) return;
  const { stdout } = await machine.run(["systemctl", "show", "docker.service", "--property=LoadState"]);
  if (stdout.includes("not-found")) return;
  await machine.run(["systemctl", "start", "docker.service"], { check: false, timeoutMs: 120_000 });
  if (await machine.docker.alive()) return;
  throw new AppError(
    "Cannot reset: Docker does not answer and does not start, so what runs in it cannot be removed",
    {
      hint: 'see "journalctl -u docker.service"; start Docker and run nodelet reset again',
    },
  );
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

const dockerText = (machine: Machine) =>
  Bun.file(placeOf(machine, paths.daemonJson))
    .text()
    .catch(() => undefined);

/**
 * What Docker ran with when the undoing began. It is kept with the state: a reset that is cut off has put daemon.json back
 * already, and the next one must still know that Docker has not read it.
 */
async function dockerTextBefore(machine: Machine): Promise<string | undefined> {
  const place = placeOf(machine, DOCKER_BEFORE);
  const kept = Bun.file(place);
  if (await kept.exists()) return await kept.text();
  const text = await dockerText(machine);
  await writeAtomically(place, text ?? "", { mode: 0o600 });
  return text;
}

/** What no single record knows: systemd reads its files again, and Docker its settings if they changed. */
async function settle(machine: Machine, ours: string | undefined): Promise<void> {
  await machine.run(["systemctl", "daemon-reload"]);
  const original = await dockerText(machine);
  const settings = [ours, original].map((text) => parseDockerSettings(text, paths.daemonJson));
  const need = dockerNeed(settings[0] ?? {}, settings[1] ?? {});
  if (need === "nothing" || !(await readUnit(machine, DOCKER)).active) return;
  if (need === "restart") await machine.run(["systemctl", "restart", DOCKER], { timeoutMs: 120_000 });
  else await reload(machine, { original, settings: settings[1] ?? {} });
}

/**
 * Live restore off again, without the restart that would end the host's own containers. A reload takes only what stands in
 * the file, so what was not there stands in it until the engine has taken it.
 */
async function reload(
  machine: Machine,
  file: { original: string | undefined; settings: DockerSettings },
): Promise<void> {
  const place = placeOf(machine, paths.daemonJson);
  const wanted = file.settings["live-restore"] === true;
  const mode = file.original === undefined ? 0o644 : (await stat(place)).mode & 0o7777;
  await writeAtomically(place, JSON.stringify({ ...file.settings, "live-restore": wanted }), { mode });
  await machine.run(["systemctl", "reload", DOCKER]);
  await until(
    async () =>
      (await machine.docker.info()).liveRestore === wanted
        ? { value: true }
        : { missing: "it has not taken its settings" },
    {
      action: "reload Docker",
      timeoutMs: 30_000,
      clock: systemClock,
      signal: new AbortController().signal,
      hint: "systemctl restart docker",
    },
  );
  if (file.original === undefined) await rm(place);
  else await writeAtomically(place, file.original, { mode });
}

function showPlan(io: Io, { journal, options }: { journal: Journal; options: ResetOptions }): number {
  const records = journal
    .records()
    .reverse()
    .map(({ kind, key }) => ({ kind, key }));
  const rows = records.map(({ kind, key }) => [kind.toUpperCase(), key]);
  const table = `${rows.length > 0 ? renderTable({ columns: ["KIND", "WHAT"], rows }) : ""}${rows.length} changes would be undone; none was.\n`;
  showResult(io, { format: options.output, result: { plan: records }, table });
  return ExitCode.ok;
}
