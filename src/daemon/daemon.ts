import type { Clock } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { type DeclaredThings, type Drift, findDrift, readDeclared } from "../host/declared.ts";
import { lockHolder } from "../host/lock.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import { readHeld } from "../runner/held.ts";
import type { PhaseStatus } from "../runner/status.ts";
import type { Desired, OpenNode } from "./desired.ts";
import { afterTask, judge, type Memory, NO_MEMORY, nodeState, type Seen, type Task } from "./judge.ts";
import { isFailing, look, type Pass } from "./pass.ts";
import type { Report } from "./report.ts";
import type { Wake } from "./wake.ts";
import { type FileWatch, placesOf } from "./watch.ts";
import type { WorkerLine, WorkResult } from "./worker.ts";

/** What the daemon is made of; all of it can be replaced in a test. */
export interface DaemonParts {
  machine: Machine;
  desired: Desired;
  report: Report;
  wake: Wake;
  files: FileWatch;
  clock: Clock;
  /** Milliseconds of a clock that never jumps. */
  monotonic: () => number;
  /** From 0 up to 1. */
  random: () => number;
  /** Looks inside of the cgroup that limits it. */
  limited: <T>(node: OpenNode, work: () => Promise<T>) => Promise<T>;
  work: (task: Task, options: { config?: string; onLine: (line: WorkerLine) => void }) => Promise<WorkResult>;
  signal: AbortSignal;
}

/** What a look says to the judge and to the document. */
interface Observation extends Seen {
  /** The first check that fails. */
  first: PhaseStatus | undefined;
  drift: Drift[];
  /** An operator stopped some phases. */
  someHeld: boolean;
}

/** While somebody else works on the node, it is asked this often whether they have ended, in milliseconds. */
const LOCKED_POLL_MS = 250;

/** Before the next turn after one that was cut short by an error, in milliseconds. */
const AFTER_ERROR_MS = 10_000;

/** A second look, this long after something happened: what is going to fail for it has failed by then. */
const SECOND_LOOK_MS = 2_000;

/** At least this long between two looks, however often it rings, in milliseconds. */
const SHORTEST_PAUSE_MS = 200;

/**
 * The reconcile loop: looks at the node, judges what it sees, and has a worker bring the node to what is declared. It sleeps
 * until something happens, and looks at least once in every interval.
 */
export class Daemon {
  readonly #parts: DaemonParts;
  #memory: Memory;
  #pass: Pass | undefined;
  #task = "";
  #declared: DeclaredThings = {};
  /** Drift that no phase puts back, told once. */
  readonly #accepted = new Set<string>();
  #failing = "";
  #second = false;
  #stopped = false;
  readonly #tasks = { ok: 0, failed: 0 };

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    // A daemon that was killed goes on counting.
    this.#memory = { ...NO_MEMORY, attempts: parts.report.health.pf9_kube_start_attempt };
  }

  /** The last look; undefined before the first. */
  get pass(): Pass | undefined {
    return this.#pass;
  }

  /** What is being done now, in words; empty when nothing. */
  get task(): string {
    return this.#task;
  }

  /** Tasks that ended, by outcome. */
  get tasks(): Readonly<{ ok: number; failed: number }> {
    return this.#tasks;
  }

  /** Runs until the signal fires; a task that is under way is brought to a safe point first. */
  async run(): Promise<void> {
    const { wake, signal, report } = this.#parts;
    while (!signal.aborted) {
      const sleepMs = await this.#turn().catch((error: unknown) => {
        // Nothing that is met on the way may end the watch over the node.
        report.event(messageOf(error));
        return AFTER_ERROR_MS;
      });
      const reasons = await wake.sleep(sleepMs, signal);
      if (reasons.length === 0) {
        this.#second = false;
        continue;
      }
      this.#second = true;
      await this.#parts.clock.sleep(SHORTEST_PAUSE_MS / 4, signal);
    }
    this.#parts.files[Symbol.dispose]();
  }

  /** One turn of the loop. @returns how long to sleep at most, in milliseconds */
  async #turn(): Promise<number> {
    const { desired, report } = this.#parts;
    if (lockHolder(paths.lock) !== undefined) return LOCKED_POLL_MS;
    for (const words of await desired.refresh()) report.event(words);
    const { node } = desired;
    const problem = desired.problems[0];
    if (problem !== undefined) report.set({ last_failed_task: `Read the configuration: ${problem}` });
    if (!node) {
      report.set({ pf9_kube_node_state: "failed" });
      await report.write();
      return 60_000;
    }
    const seen = await this.#look(node);
    const judgement = judge(this.#memory, seen, {
      fullRetryCount: node.ctx.config.fullRetryCount,
      toleranceMs: node.ctx.config.statusThresholdSeconds * 1000,
    });
    this.#memory = judgement.memory;
    this.#tell(node, seen);
    await report.write();
    if (judgement.task) return await this.#do(judgement.task, this.#why(seen));
    const usual = node.ctx.config.loopInterval * 1000;
    return Math.min(judgement.lookAgainIn ?? usual, this.#second ? SECOND_LOOK_MS : usual);
  }

  async #look(node: OpenNode): Promise<Observation> {
    const { machine, report, limited, files } = this.#parts;
    const held = readHeld(placeOf(machine, paths.held));
    this.#declared = mergeSignatures(readDeclared(placeOf(machine, paths.declared)), this.#declared);
    report.phases(node.phases);
    report.looking();
    this.#pass = await limited(node, () =>
      look(node.ctx, {
        machine,
        phases: node.phases,
        held,
        declared: this.#declared,
        onSlow: ([title = ""]) => {
          report.set({ current_status_check: title });
          if (title) void report.write();
        },
      }),
    );
    files.follow(placesOf(this.#declared));
    const failing = this.#pass.checks.filter(isFailing);
    const drift = this.#newDrift(this.#pass.drift);
    if (node.ctx.config.kubeServiceState !== "false") this.#stopped = false;
    return {
      desired: node.ctx.config.kubeServiceState,
      failing: failing.map(({ id }) => id),
      first: failing[0],
      drift,
      changed:
        drift.length > 0 || (!this.#parts.desired.inForce && this.#parts.desired.problems.length === 0),
      // A container or a unit that came back after the stop is drift.
      stopped: this.#stopped && drift.length === 0,
      someHeld: this.#pass.alone.size > 0,
      now: this.#parts.monotonic(),
    };
  }

  #newDrift(drift: readonly Drift[]): Drift[] {
    const keys = new Set(drift.map(keyOfDrift));
    for (const key of this.#accepted) if (!keys.has(key)) this.#accepted.delete(key);
    return drift.filter((one) => !this.#accepted.has(keyOfDrift(one)));
  }

  /** Puts into the document what was seen, and tells of what is new. */
  #tell(node: OpenNode, seen: Observation): void {
    const { report, monotonic, desired } = this.#parts;
    const { first } = seen;
    const wantsRun = seen.desired !== "false";
    report.checked(wantsRun ? first?.title : undefined, monotonic());
    const text = first && wantsRun ? `${first.title}: ${first.message}` : "";
    if (text && text !== this.#failing) report.event(`check failed: ${text}`);
    if (!text && this.#failing) report.event("all checks are good again");
    this.#failing = text;
    const runs = first === undefined && !seen.someHeld && wantsRun;
    const settled = wantsRun ? first === undefined && !this.#memory.taskFailed : seen.stopped;
    const before = report.health;
    const state =
      seen.desired === "ignore" ? before.pf9_kube_node_state : nodeState(this.#memory.attempts, settled);
    if (state !== before.pf9_kube_node_state) report.event(`node is ${state}`);
    const alone = this.#pass?.alone ?? new Set();
    const failing = new Set(seen.failing);
    const stop = node.phases.findIndex(({ id }) => failing.has(id) || alone.has(id));
    const completed = !wantsRun && seen.stopped ? [] : stop === -1 ? node.phases : node.phases.slice(0, stop);
    report.set({
      pf9_kube_service_state: runs ? "true" : "false",
      pf9_kube_node_state: state,
      pf9_kube_start_attempt: this.#memory.attempts,
      pf9_cluster_id: node.ctx.node.clusterId,
      pf9_cluster_role: node.ctx.config.role,
      completed_tasks: completed.map(({ title }) => title),
      ...(settled && desired.problems.length === 0 && { last_failed_task: "" }),
    });
  }

  #why(seen: Observation): string {
    if (seen.desired === "false") return "the services are to be stopped";
    if (seen.first) return `"${seen.first.title}" fails: ${seen.first.message}`;
    if (seen.drift.length > 0) {
      const names = seen.drift.slice(0, 3).map(({ kind, key }) => `${kind} ${key}`);
      return `changed by others: ${names.join(", ")}${seen.drift.length > 3 ? `, ${seen.drift.length - 3} more` : ""}`;
    }
    return seen.changed ? "the configuration is new" : "the last attempt failed";
  }

  /** Has the worker do a task. @returns how long to sleep before the next look */
  async #do(task: Task, why: string): Promise<number> {
    const { report, work, desired, monotonic, random } = this.#parts;
    const attempt = this.#memory.attempts > 0 ? `attempt ${this.#memory.attempts}: ` : "";
    this.#task = `${attempt}${wordsOf(task)}, because ${why}`;
    report.event(this.#task);
    const begun = monotonic();
    const config = desired.workerConfig;
    const result = await work(task, {
      ...(config && { config }),
      onLine: (line) => {
        report.working(line);
        void report.write();
      },
    });
    this.#task = "";
    report.working({ type: "done", changed: [], failures: [] });
    if (result.outcome === "locked" || result.outcome === "interrupted") {
      // Somebody else is at work; that was no attempt.
      this.#memory = { ...this.#memory, attempts: Math.max(0, this.#memory.attempts - 1) };
      return LOCKED_POLL_MS;
    }
    const ok = result.outcome === "ok";
    this.#tasks[ok ? "ok" : "failed"] += 1;
    this.#memory = afterTask(this.#memory, { ok, now: monotonic(), random: random() });
    const took = ((monotonic() - begun) / 1000).toFixed(1);
    const what =
      result.changed.length > 0 ? `changed ${result.changed.join(", ")}` : "nothing had to be changed";
    report.event(ok ? `done after ${took} s: ${what}` : `failed after ${took} s: ${result.problem}`);
    if (ok && task.do === "stop") {
      this.#stopped = true;
      this.#memory = NO_MEMORY;
    }
    if (ok && task.do !== "stop" && !("from" in task && task.from)) await this.#settled();
    return 0;
  }

  /** After everything was started: what still differs is not ours to put back, and the configuration is in force. */
  async #settled(): Promise<void> {
    const { desired, report, machine } = this.#parts;
    await desired.putInForce().catch((error: unknown) => report.event(String((error as Error).message)));
    const left = await findDrift(machine, readDeclared(placeOf(machine, paths.declared)));
    for (const one of left) {
      if (this.#accepted.has(keyOfDrift(one))) continue;
      this.#accepted.add(keyOfDrift(one));
      report.event(`left as it is, since no phase puts it back: ${one.kind} ${one.key}`);
    }
  }
}

const keyOfDrift = ({ kind, key }: Drift) => `${kind} ${key}`;

function wordsOf(task: Task): string {
  if (task.do === "stop") return "stopping all phases";
  if (task.do === "full") return "stopping and starting all phases";
  const from = task.from === undefined ? "all phases" : `phases from ${task.from} on`;
  return task.do === "restart" ? `stopping and starting ${from}` : `starting ${from}`;
}

/** Signatures that a look renewed are kept, so that a file that was only touched is read once. */
function mergeSignatures(next: DeclaredThings, before: DeclaredThings): DeclaredThings {
  for (const [id, thing] of Object.entries(next)) {
    const old = before[id];
    if (old?.signature && Bun.deepEquals(old.kept, thing.kept)) thing.signature = old.signature;
  }
  return next;
}
