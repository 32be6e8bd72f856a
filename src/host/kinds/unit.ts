import { readFile } from "node:fs/promises";
import { AppError } from "../../errors.ts";
import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";

/** A systemd unit in a state. Its file, if it is ours, is a change of its own. */
export interface UnitWanted {
  name: string;
  active: boolean;
  /** Started at boot; left as it is when absent. */
  enabled?: boolean;
  /**
   * Digest of all that the process reads at its start, which its unit hands to it as `NODELET_INPUTS`. A process that
   * runs with another one is started anew; so a kill between a new file and the restart is noticed.
   */
  inputs?: string;
  /** What it runs from was changed just now: a process that runs may have read what stood there in between. */
  renew?: boolean;
}

/** The state that the unit had. */
export interface UnitFound {
  active: boolean;
  enabled: boolean;
  /** systemd's own words, for example `failed`. */
  state: string;
  /** The `NODELET_INPUTS` of the running process; empty when it has none. */
  inputs: string;
  /** The file of the unit is newer than what systemd has read. */
  stale: boolean;
}

/** How long a unit may be on its way before it is taken as it is, in milliseconds. */
const JOB_DEADLINE_MS = 60_000;

/**
 * Asks systemd about a unit. One that is on its way, perhaps by a restart that a killed run began, is waited for: what it
 * is in between must not be taken for what it was before us.
 */
export async function readUnit(machine: Pick<Machine, "run">, name: string): Promise<UnitFound> {
  const end = performance.now() + JOB_DEADLINE_MS;
  let fields = await showUnit(machine, name);
  while (fields.get("Job") && !isOwn(fields.get("MainPID")) && performance.now() < end) {
    await Bun.sleep(50);
    fields = await showUnit(machine, name);
  }
  const state = fields.get("ActiveState") ?? "unknown";
  return {
    active: state === "active" || state === "reloading",
    enabled: (fields.get("UnitFileState") ?? "").startsWith("enabled"),
    state,
    inputs: await inputsOf(fields.get("MainPID") ?? "0"),
    stale: fields.get("NeedDaemonReload") === "yes",
  };
}

/** What we are part of, or were started by, ends only after us: whoever waited for that would hold it up. */
function isOwn(mainPid: string | undefined): boolean {
  return mainPid !== "0" && [process.pid, process.ppid].map(String).includes(mainPid ?? "0");
}

async function showUnit(machine: Pick<Machine, "run">, name: string): Promise<Map<string, string>> {
  const properties = "--property=ActiveState,UnitFileState,MainPID,NeedDaemonReload,Job";
  const { stdout } = await machine.run(["systemctl", "show", name, properties], { timeoutMs: 10_000 });
  return new Map(stdout.split("\n").map((line) => line.split("=", 2) as [string, string]));
}

async function inputsOf(pid: string): Promise<string> {
  if (pid === "0") return "";
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  return /(?:^|\0)NODELET_INPUTS=([^\0]*)/.exec(environment)?.[1] ?? "";
}

function sameUnit(found: UnitFound, wanted: UnitWanted): boolean {
  if (wanted.renew && wanted.active && found.active) return false;
  if (found.active !== wanted.active || found.state === "activating") return false;
  if (wanted.enabled !== undefined && found.enabled !== wanted.enabled) return false;
  return !wanted.active || wanted.inputs === undefined || found.inputs === wanted.inputs;
}

async function bring(machine: Machine, wanted: UnitWanted): Promise<void> {
  const found = await readUnit(machine, wanted.name);
  if (found.stale) await machine.run(["systemctl", "daemon-reload"]);
  if (wanted.enabled !== undefined && found.enabled !== wanted.enabled) {
    await machine.run(["systemctl", wanted.enabled ? "enable" : "disable", "--quiet", wanted.name]);
  }
  if (sameUnit({ ...found, enabled: wanted.enabled ?? found.enabled }, wanted)) return;
  const verb = !wanted.active ? "stop" : found.active ? "restart" : "start";
  const result = await machine.run(["systemctl", verb, wanted.name], { check: false, timeoutMs: 120_000 });
  if (result.exitCode === 0) return;
  const log = await machine.run(["journalctl", "-u", wanted.name, "-n", "5", "--no-pager", "-o", "cat"], {
    check: false,
  });
  throw new AppError(
    `Cannot ${verb} the unit "${wanted.name}": ${result.stderr.trim().split("\n")[0]}; its last lines: ${log.stdout.trim().replaceAll("\n", "; ")}`,
    { hint: `see "journalctl -u ${wanted.name}"` },
  );
}

/** systemd units that nodelet starts, stops and enables. */
export const unitKind: Kind<UnitWanted, UnitFound> = {
  key: (wanted) => wanted.name,
  read: (machine, wanted) => readUnit(machine, wanted.name),
  same: sameUnit,
  keep: ({ renew: _, ...kept }) => kept,
  apply: bring,
  async restore(machine, { key, before }) {
    const { stdout } = await machine.run(["systemctl", "show", key, "--property=LoadState"]);
    if (stdout.includes("not-found")) return;
    await bring(machine, { name: key, active: before.active, enabled: before.enabled });
    await machine.run(["systemctl", "reset-failed", key], { check: false });
  },
  describe: (found, wanted) => ({
    from: words(found.active, found.enabled),
    to: words(wanted.active, wanted.enabled),
  }),
};

function words(active: boolean, enabled: boolean | undefined): string {
  const boot = enabled === undefined ? "" : enabled ? ", enabled" : ", not enabled";
  return `${active ? "active" : "inactive"}${boot}`;
}
