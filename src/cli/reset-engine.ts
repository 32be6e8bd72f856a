import { existsSync, readFileSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { systemClock } from "../ctx.ts";
import { HOST_ENGINE, OWN_ENGINE } from "../docker/engine-unit.ts";
import { findOrphans } from "../docker/orphans.ts";
import { type DockerSettings, dockerNeed, parseDockerSettings } from "../docker/settings.ts";
import { AppError, codeOf } from "../errors.ts";
import { writeAtomically } from "../host/atomic.ts";
import type { Journal, JournalRecord } from "../host/journal.ts";
import { readUnit } from "../host/kinds/unit.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { realHost } from "../host/real.ts";
import { paths } from "../paths.ts";
import { until } from "../runner/wait.ts";

const DOCKER_BEFORE = `${paths.stateDir}/docker-before-reset.json`;

/** The unit of the engine that the node uses: the one that nodelet brought, where that is to be undone. */
export function engineUnit(records: readonly JournalRecord[]): string {
  const own = records.some(({ kind, key }) => kind === "unit" && key === OWN_ENGINE);
  return own ? OWN_ENGINE : HOST_ENGINE;
}

/** What is to be undone; images are left out where the engine goes with all its data, and each of them with it. */
export function withoutNeedlessImages(
  records: readonly JournalRecord[],
  unit: string,
): readonly JournalRecord[] {
  return unit === OWN_ENGINE ? records.filter(({ kind }) => kind !== "image") : records;
}

/** True for what only the engine can remove. */
export function isInEngine({ kind }: JournalRecord): boolean {
  return kind === "container" || kind === "image" || kind === "pods";
}

/**
 * Containers go on without a Docker that was stopped meanwhile; only Docker itself can remove them, so it is started.
 *
 * @returns why what is in it cannot be removed; undefined when it can, or when nothing is there
 */
export async function wakeEngine(machine: Machine, unit: string): Promise<string | undefined> {
  if (machine.root !== "/" || (await machine.docker.alive())) return undefined;
  const state = await loadState(machine, unit);
  const started =
    state === "loaded" &&
    (await machine.run(["systemctl", "start", unit], { check: false, timeoutMs: 120_000 })).exitCode === 0;
  if (started && (await machine.docker.alive())) return undefined;
  const root = unit === HOST_ENGINE ? dataRoot(machine) : undefined;
  if (root === undefined || !existsSync(root)) return undefined;
  const why = state === "loaded" ? "does not start" : state === "masked" ? "is masked" : "is not installed";
  return `Docker does not answer and ${unit} ${why}; it stays in ${root}`;
}

async function loadState(machine: Machine, unit: string): Promise<string> {
  const { stdout } = await machine.run(["systemctl", "show", unit, "--property=LoadState"]);
  return stdout.trim().replace("LoadState=", "");
}

/** Where the host's Docker has its data. */
function dataRoot(machine: Machine): string {
  const set = settingsOf(readText(placeOf(machine, paths.daemonJson)))?.["data-root"];
  return typeof set === "string" ? set : "/var/lib/docker";
}

/**
 * Ends the node's containers without the engine, each with the shim that watches it: they hold mounts and ports of what is
 * removed next.
 *
 * @returns ids of those that ran
 */
export async function endContainers(machine: Machine, journal: Journal): Promise<string[]> {
  const host = realHost(machine, { journal });
  // The engine knows none of them as long as it does not run.
  const found = await findOrphans({ ...host, docker: { ...host.docker, list: async () => [] } });
  const pids = found.flatMap(({ pid }) => [pid, ...shimOf(pid)]);
  for (const pid of pids) killHard(pid);
  await until(
    async () => {
      const left = pids.filter(isAlive);
      return left.length === 0 ? { value: true } : { missing: `${left.length} processes go on` };
    },
    {
      action: "end the containers of this node",
      timeoutMs: 10_000,
      clock: systemClock,
      signal: new AbortController().signal,
    },
  );
  return found.map(({ id }) => id);
}

/** The parent of a container's first process, where that is containerd's shim. */
function shimOf(pid: number): number[] {
  const parent = Number(/^PPid:\s*(\d+)$/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1]);
  return parent > 1 && readText(`/proc/${parent}/comm`)?.startsWith("containerd-shim") ? [parent] : [];
}

function isAlive(pid: number): boolean {
  return !/^State:\s*[ZX]/m.test(readText(`/proc/${pid}/status`) ?? "State: X");
}

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended by itself meanwhile.
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * What Docker ran with when the undoing began. It is kept with the state: a reset that is cut off has put daemon.json back
 * already, and the next one must still know that Docker has not read it.
 */
export async function dockerTextBefore(machine: Machine): Promise<string | undefined> {
  const place = placeOf(machine, DOCKER_BEFORE);
  const kept = readText(place);
  if (kept !== undefined) return kept;
  const text = readText(placeOf(machine, paths.daemonJson));
  await writeAtomically(place, text ?? "", { mode: 0o600 });
  return text;
}

/** What no single record knows: Docker takes its settings again if they changed. @param engine `before`: what it runs with */
export async function settleEngine(
  machine: Machine,
  { unit, before }: { unit: string; before: string | undefined },
): Promise<void> {
  const original = readText(placeOf(machine, paths.daemonJson));
  const [from, to] = [settingsOf(before), settingsOf(original)];
  // With settings that are no JSON it neither runs nor starts.
  const need = from && to ? dockerNeed(from, to) : "restart";
  if (need === "nothing" || !(await readUnit(machine, unit)).active) return;
  if (need === "restart") await machine.run(["systemctl", "restart", unit], { timeoutMs: 120_000 });
  else await reload(machine, { unit, original, settings: to ?? {} });
}

function settingsOf(text: string | undefined): DockerSettings | undefined {
  try {
    return parseDockerSettings(text, paths.daemonJson);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/**
 * Live restore off again, without the restart that would end the host's own containers. A reload takes only what stands in
 * the file, so what was not there stands in it until the engine has taken it.
 */
async function reload(
  machine: Machine,
  file: { unit: string; original: string | undefined; settings: DockerSettings },
): Promise<void> {
  const place = placeOf(machine, paths.daemonJson);
  const wanted = file.settings["live-restore"] === true;
  const mode = file.original === undefined ? 0o644 : (await stat(place)).mode & 0o7777;
  await writeAtomically(place, JSON.stringify({ ...file.settings, "live-restore": wanted }), { mode });
  await machine.run(["systemctl", "reload", file.unit]);
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
