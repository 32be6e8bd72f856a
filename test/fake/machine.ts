import { readFileSync } from "node:fs";
import { AppError } from "../../src/errors.ts";
import type { Machine } from "../../src/host/machine.ts";
import { placeOf } from "../../src/host/machine.ts";
import type { RunOptions, RunResult } from "../../src/host/run.ts";
import { pretty } from "../../src/host/run.ts";
import { type FakeDocker, fakeDocker } from "./docker.ts";

/** A unit as the fake systemd knows it. */
export interface FakeUnit {
  active: boolean;
  enabled: boolean;
  /** Its file is newer than what systemd has read. */
  stale?: boolean;
  /** Starting it fails with these words. */
  broken?: string;
  /** The main process: a real one, so that its environment can be read. */
  process?: Bun.Subprocess;
}

/** What a program of the fake machine does. */
export type FakeProgram = (argv: readonly string[], options: RunOptions) => Partial<RunResult>;

/** A machine whose files are below a directory, with a systemd and an engine in memory. */
export interface FakeMachine extends Machine, Disposable {
  readonly docker: FakeDocker;
  /** Every program that was run, as a shell would take it. */
  readonly calls: string[];
  readonly units: Map<string, FakeUnit>;
  /** Programs of the machine by name; `systemctl` and `journalctl` are there already. */
  readonly programs: Map<string, FakeProgram>;
}

/** Makes a machine on a root; `using` ends the processes of its units. */
export function fakeMachine(root: string): FakeMachine {
  const units = new Map<string, FakeUnit>();
  const machine: FakeMachine = {
    root,
    docker: fakeDocker(),
    calls: [],
    units,
    programs: new Map([["journalctl", () => ({ stdout: "the last words\n" })]]),
    async run(argv, options = {}) {
      machine.calls.push(pretty(argv));
      const program = machine.programs.get(argv[0] ?? "");
      if (!program) throw new AppError(`Cannot run "${argv[0]}": it is not on this host`);
      const result = { stdout: "", stderr: "", exitCode: 0, ...program(argv, options) };
      if (result.exitCode !== 0 && (options.check ?? true)) {
        throw new AppError(
          `Command "${pretty(argv)}" failed with exit code ${result.exitCode}: ${result.stderr}`,
        );
      }
      return result;
    },
    [Symbol.dispose]() {
      for (const unit of units.values()) unit.process?.kill();
    },
  };
  machine.programs.set("systemctl", (argv) => systemctl(machine, argv));
  return machine;
}

function systemctl(machine: FakeMachine, [, verb = "", ...rest]: readonly string[]): Partial<RunResult> {
  const name = rest.find((word) => !word.startsWith("-")) ?? "";
  const unit = machine.units.get(name);
  if (verb === "show") return { stdout: show(machine, name) };
  if (verb === "is-active")
    return unit?.active ? { stdout: "active\n" } : { stdout: "inactive\n", exitCode: 3 };
  if (verb === "daemon-reload") {
    for (const one of machine.units.values()) one.stale = false;
    return {};
  }
  const known = unit ?? (hasFile(machine, name) ? { active: false, enabled: false } : undefined);
  if (!known) return { exitCode: 5, stderr: `Unit ${name} not found.` };
  machine.units.set(name, known);
  if (verb === "enable" || verb === "disable") known.enabled = verb === "enable";
  if (verb === "stop" || verb === "restart") end(known);
  if (verb === "start" || verb === "restart") return begin(machine, name, known);
  return {};
}

function show(machine: FakeMachine, name: string): string {
  const unit = machine.units.get(name);
  const lines = {
    LoadState: unit || hasFile(machine, name) ? "loaded" : "not-found",
    ActiveState: unit?.active ? "active" : "inactive",
    UnitFileState: unit?.enabled ? "enabled" : "disabled",
    MainPID: String(unit?.process?.pid ?? 0),
    NeedDaemonReload: unit?.stale ? "yes" : "no",
  };
  return Object.entries(lines)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

function begin(machine: FakeMachine, name: string, unit: FakeUnit): Partial<RunResult> {
  if (unit.broken) return { exitCode: 1, stderr: `${unit.broken}\nmore words` };
  unit.active = true;
  const inputs = /^Environment=NODELET_INPUTS=(.*)$/m.exec(unitFile(machine, name) ?? "")?.[1];
  if (inputs !== undefined) unit.process = spawnWith(inputs);
  return {};
}

/** A process that runs; its environment can be read only some moments after it was made. */
function spawnWith(inputs: string): Bun.Subprocess {
  const child = Bun.spawn(["sleep", "600"], { env: { NODELET_INPUTS: inputs } });
  while (child.exitCode === null && !readFileSync(`/proc/${child.pid}/environ`, "utf8").includes(inputs));
  return child;
}

function end(unit: FakeUnit): void {
  unit.process?.kill();
  delete unit.process;
  unit.active = false;
}

function hasFile(machine: FakeMachine, name: string): boolean {
  return unitFile(machine, name) !== undefined;
}

function unitFile(machine: FakeMachine, name: string): string | undefined {
  try {
    return readFileSync(placeOf(machine, `/etc/systemd/system/${name}`), "utf8");
  } catch {
    return undefined;
  }
}
