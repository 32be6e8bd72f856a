import type { Clock } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { lockHolder } from "../host/lock.ts";
import { placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { OpenNode } from "./desired.ts";
import { afterTask, judge, type Memory, NO_MEMORY, type Task } from "./judge.ts";
import { type Observation, Observer, type ObserverParts } from "./observe.ts";
import type { Pass } from "./pass.ts";
import { readText } from "./nodes.ts";
import { wantedServices } from "./removed.ts";
import { ROUTES_CHANGED } from "./routes.ts";
import { supervise } from "./supervise.ts";
import { reasonFor, tell } from "./tell.ts";
import type { Wake } from "./wake.ts";
import type { WorkerLine, WorkResult } from "./worker.ts";

/** What the daemon is made of; all of it can be replaced in a test. */
export interface DaemonParts extends ObserverParts {
  wake: Wake;
  clock: Clock;
  /** From 0 up to 1. */
  random: () => number;
  /** Before it sleeps for so many milliseconds at most: the time to give back what it does not need asleep. */
  rest: (sleepMs: number) => void;
  work: (
    task: Task,
    options: { config?: string; onLine: (line: WorkerLine) => void; signal: AbortSignal },
  ) => Promise<WorkResult>;
  signal: AbortSignal;
}

/** While somebody else works on the node, it is asked this often whether they have ended, in milliseconds. */
const LOCKED_POLL_MS = 250;

/** Before the next turn after one that was cut short by an error, in milliseconds. */
const AFTER_ERROR_MS = 10_000;

/** A second look, this long after something happened: what is going to fail for it has failed by then. */
const SECOND_LOOK_MS = 2_000;

/** At least this long between what rings and the look, so that what rings together is looked at once, in milliseconds. */
const GATHER_MS = 50;

/** Until a document that could not be written is written again, in milliseconds. */
const UNWRITTEN_MS = 5_000;

/** Without any valid configuration there is nothing to do but to ask for one again, in milliseconds. */
const NO_NODE_MS = 5_000;

const NEW_CONFIGURATION = "the configuration is new";

/**
 * The reconcile loop: looks at the node, judges what it sees, and has a worker bring the node to what is declared. It sleeps
 * until something happens, and looks at least once in every interval.
 */
export class Daemon {
  readonly #parts: DaemonParts;
  readonly #observer: Observer;
  readonly #tasks = { ok: 0, failed: 0 };
  #memory: Memory;
  #task = "";
  #wrong = "";
  #second = false;
  #progressAt: number | undefined;
  /** All phases were stopped because the configuration wants it. */
  #stopped = false;
  /** The peers that the phases were last started with; of what was before this daemon nothing is known. */
  #followed: string | undefined;

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    this.#observer = new Observer(parts);
    // A daemon that was killed goes on counting.
    this.#memory = { ...NO_MEMORY, attempts: parts.report.health.pf9_kube_start_attempt };
  }

  /** The last look; undefined before the first. */
  get pass(): Pass | undefined {
    return this.#observer.pass;
  }

  /** What is being done now, in words; empty when nothing. */
  get task(): string {
    return this.#task;
  }

  /** Tasks that ended, by outcome. */
  get tasks(): Readonly<{ ok: number; failed: number }> {
    return this.#tasks;
  }

  /** Since when nothing has moved in a turn, in milliseconds; 0 while it sleeps. */
  get stuckMs(): number {
    return this.#progressAt === undefined ? 0 : this.#parts.monotonic() - this.#progressAt;
  }

  /** Runs until the signal fires; a task that is under way is brought to a safe point first. */
  async run(): Promise<void> {
    const { wake, signal, report, clock, files, monotonic, rest } = this.#parts;
    while (!signal.aborted) {
      this.#progressAt = monotonic();
      const sleepMs = await this.#turn().catch((error: unknown) => {
        // Nothing that is met on the way may end the watch over the node.
        report.event(messageOf(error));
        return AFTER_ERROR_MS;
      });
      this.#progressAt = undefined;
      rest(sleepMs);
      const reasons = await wake.sleep(sleepMs, signal);
      this.#second = reasons.length > 0;
      // What failed without a network may be tried at once with it.
      if (reasons.includes(ROUTES_CHANGED)) this.#memory = { ...this.#memory, notBefore: 0 };
      if (this.#second) await clock.sleep(GATHER_MS, signal);
    }
    files[Symbol.dispose]();
  }

  /** One turn of the loop. @returns how long to sleep at most, in milliseconds */
  async #turn(): Promise<number> {
    const { machine, desired, report, signal } = this.#parts;
    if (this.#isLocked()) return LOCKED_POLL_MS;
    await this.#refresh();
    const { node } = desired;
    if (!node) {
      report.set({ pf9_kube_node_state: "failed" });
      await report.write();
      return NO_NODE_MS;
    }
    const { config } = node.ctx;
    if (wantedServices(machine, config) !== "false") {
      // What a stop did not put back, a start may.
      if (this.#stopped) this.#observer.forget();
      this.#stopped = false;
    }
    const seen = await this.#observer.look(node, this.#stopped);
    // A look that the end has cut short, or that saw the work of somebody else halfway, says nothing of the node.
    if (signal.aborted) return 0;
    if (this.#isLocked()) return LOCKED_POLL_MS;
    const { attempts } = this.#memory;
    const judgement = judge(
      this.#memory,
      { ...seen, unfollowed: this.#isUnfollowed(node) },
      {
        fullRetryCount: config.fullRetryCount,
        toleranceMs: config.statusThresholdSeconds * 1000,
      },
    );
    const { memory, task } = judgement;
    this.#memory = memory;
    const configValid = desired.problems.length === 0;
    const tolerating = !task && memory.attempts === 0;
    // What fails before the other nodes are followed may fail for that alone.
    if (task?.do !== "follow")
      this.#wrong = tell(report, { node, seen, memory, tolerating, configValid, before: this.#wrong });
    if (task) this.#task = reasonFor(task, { seen, attempts: memory.attempts });
    if (task) report.event(this.#task);
    await report.write();
    if (task) return await this.#do(node, { task, seen, attempts });
    // A disk that is full or read-only is tried again sooner: others read the document, and it is old.
    const usual = report.isBehind ? UNWRITTEN_MS : config.loopInterval * 1000;
    return Math.min(judgement.lookAgainIn ?? usual, this.#second ? SECOND_LOOK_MS : usual);
  }

  /** Reads the configuration again where it changed. @returns true when it did */
  async #refresh(): Promise<boolean> {
    const { desired, report } = this.#parts;
    const news = await desired.refresh();
    for (const words of news) report.event(words);
    const [problem] = desired.problems;
    if (problem !== undefined) report.set({ last_failed_task: `Read the configuration: ${problem}` });
    return news.length > 0;
  }

  #isUnfollowed({ phases }: OpenNode): boolean {
    const text = this.#peersText();
    return text !== undefined && text !== this.#followed && phases.some(({ followsPeers }) => followsPeers);
  }

  #peersText(): string | undefined {
    return readText(placeOf(this.#parts.machine, paths.peers));
  }

  #isLocked(): boolean {
    return lockHolder(placeOf(this.#parts.machine, paths.lock)) !== undefined;
  }

  /** Has the worker do a task. @param judged with the attempts before it @returns how long to sleep before the next look */
  async #do(node: OpenNode, judged: { task: Task; seen: Observation; attempts: number }): Promise<number> {
    const { task, seen, attempts } = judged;
    const { report, work, desired, monotonic, random, wake, clock, signal } = this.#parts;
    const begun = monotonic();
    const followed = this.#followed;
    if (task.do !== "stop" && !("from" in task)) this.#followed = this.#peersText();
    const config = desired.workerConfig;
    const result = await supervise({
      task,
      phases: node.phases,
      run: (follow, end) =>
        work(task, {
          ...(config && { config }),
          signal: end,
          onLine: (line) => {
            follow(line);
            report.working(line);
            void report.write();
          },
        }),
      look: async () => {
        this.#progressAt = monotonic();
        if (await this.#refresh()) return { failing: undefined, obsolete: NEW_CONFIGURATION };
        return { failing: (await this.#observer.look(node, this.#stopped)).failing[0] };
      },
      sleep: async (ms, end) => {
        const either = AbortSignal.any([signal, end]);
        if ((await wake.sleep(ms, either)).length > 0) await clock.sleep(GATHER_MS, either);
      },
      monotonic,
      signal,
    });
    this.#task = "";
    report.working({ type: "done", changed: [], failures: [] });
    const took = `after ${((monotonic() - begun) / 1000).toFixed(1)} s`;
    if (result.overtaken !== undefined) {
      report.event(`called back ${took}: ${result.overtaken}`);
      // What nobody wants any more was no attempt.
      if (result.overtaken === NEW_CONFIGURATION) this.#memory = { ...this.#memory, attempts };
      return 0;
    }
    if (result.outcome === "locked" || result.outcome === "interrupted") {
      // Somebody else is at work; that was no attempt.
      this.#memory = { ...this.#memory, attempts };
      this.#followed = followed;
      report.set({ pf9_kube_start_attempt: attempts });
      await report.write();
      return LOCKED_POLL_MS;
    }
    const ok = result.outcome === "ok";
    this.#tasks[ok ? "ok" : "failed"] += 1;
    // The pauses between attempts on a node that is not well go on.
    if (!ok || task.do !== "follow")
      this.#memory = afterTask(this.#memory, { ok, now: monotonic(), random: random() });
    const what =
      result.changed.length > 0 ? `changed ${result.changed.join(", ")}` : "nothing had to be changed";
    report.event(ok ? `done ${took}: ${what}` : `failed ${took}: ${result.problem}`);
    if (ok) await this.#settle(task, seen);
    return 0;
  }

  /** After a task that succeeded: what follows from everything being stopped, or started. */
  async #settle(task: Task, seen: Observation): Promise<void> {
    if ("from" in task || task.do === "follow") return;
    const { desired, report } = this.#parts;
    await desired.putInForce().catch((error: unknown) => report.event(messageOf(error)));
    if (task.do === "stop") {
      this.#stopped = true;
      this.#memory = NO_MEMORY;
      // A stop puts nothing back: what differs now is told, and does not stop the node again.
      for (const words of await this.#observer.accept()) report.event(words);
      return;
    }
    for (const words of await this.#observer.accept(seen.drift)) report.event(words);
  }
}
