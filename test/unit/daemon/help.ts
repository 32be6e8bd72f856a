import { mkdir } from "node:fs/promises";
import { loadConfig } from "../../../src/config/load.ts";
import { Daemon } from "../../../src/daemon/daemon.ts";
import { Desired } from "../../../src/daemon/desired.ts";
import { readEvents } from "../../../src/daemon/events.ts";
import { readHealth } from "../../../src/daemon/health.ts";
import type { Task } from "../../../src/daemon/judge.ts";
import { Report } from "../../../src/daemon/report.ts";
import { Wake } from "../../../src/daemon/wake.ts";
import { FileWatch } from "../../../src/daemon/watch.ts";
import { doTask } from "../../../src/daemon/work.ts";
import type { WorkerLine, WorkResult } from "../../../src/daemon/worker.ts";
import { ConfigError, messageOf } from "../../../src/errors.ts";
import { Declaration, declaringHost } from "../../../src/host/declared.ts";
import { paths } from "../../../src/paths.ts";
import type { PhaseEvent } from "../../../src/runner/events.ts";
import { readHeld } from "../../../src/runner/held.ts";
import type { Phase } from "../../../src/runner/phase.ts";
import { silentLog } from "../../../src/log.ts";
import { world } from "../../fake/ctx.ts";
import { phase } from "../runner/help.ts";

/** A bell whose sleeper is a test: it sleeps until the test says that the time is over. */
class Steps extends Wake {
  readonly sleeps: number[] = [];
  readonly #signal: AbortSignal;
  #asleep = Promise.withResolvers<void>();
  #awake: (() => void) | undefined;

  /** @param signal of the loop; who sleeps with another one watches a worker, and sleeps until that ends */
  constructor(signal: AbortSignal) {
    super();
    this.#signal = signal;
  }

  override async sleep(ms: number, signal: AbortSignal): Promise<string[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
    if (signal === this.#signal) {
      this.sleeps.push(ms);
      this.#awake = resolve;
      this.#asleep.resolve();
    }
    await promise;
    return await super.sleep(0, AbortSignal.abort());
  }

  /** Waits until the loop sleeps. */
  async asleep(): Promise<void> {
    await this.#asleep.promise;
  }

  /** Ends the sleep of the loop, and waits for the next. */
  async turn(): Promise<void> {
    this.#asleep = Promise.withResolvers();
    this.#awake?.();
    await this.asleep();
  }
}

/** A phase that is a word in a file: it runs when the file is there. */
export function filePhase(id: string, more: Partial<Phase> = {}): Phase {
  const path = `/etc/${id}`;
  return phase(id, {
    start: (ctx) => ctx.host.ensure({ kind: "file", path, content: id, mode: 0o600 }),
    stop: (ctx) => ctx.host.ensure({ kind: "absent", path }),
    async status({ host }) {
      return (await host.exists(path)) ? { state: "running" } : { state: "stopped", message: "no word" };
    },
    ...more,
  });
}

/** Three phases: one that the two others need. */
export const trio = () => [
  filePhase("020-a", { needs: [] }),
  filePhase("055-b", { needs: ["020-a"] }),
  filePhase("090-c", { needs: ["020-a"] }),
];

/** A worker that fails. */
export const boom: FakeWork = async () => ({ outcome: "failed", changed: [], problem: "no disk" });

/** What a worker does; a test may have it do something else. */
export type FakeWork = (task: Task, go: () => Promise<WorkResult>) => Promise<WorkResult>;

/** A node, and daemons on it that make a turn when they are told to. */
export async function nodeOf(phases: readonly Phase[], config: Record<string, unknown> = {}) {
  const node = await world();
  for (const dir of [paths.stateDir, paths.configDir, "/etc", "/run"])
    await mkdir(node.root.place(dir), { recursive: true });
  const flags: Record<string, unknown> = { nodeName: "n1", nodeIp: "10.0.0.5", ...config };
  const tasks: Task[] = [];
  const fake: { work: FakeWork; problem: string; now: number; end?: () => void } = {
    work: (_, go) => go(),
    problem: "",
    now: 0,
  };

  async function working(task: Task, onLine: (line: WorkerLine) => void): Promise<WorkResult> {
    const declaration = new Declaration();
    const ctx = { ...node.ctx, host: declaringHost(node.ctx.host, declaration) };
    const held = readHeld(node.root.place(paths.held));
    const listen = (event: PhaseEvent) => {
      if (event.type !== "say")
        onLine({ type: event.type, id: event.phase.id, title: event.phase.title, verb: event.verb });
    };
    try {
      const { changed } = await doTask(ctx, { task, phases, held, listen });
      return { outcome: "ok", changed, problem: "" };
    } catch (error) {
      return { outcome: "failed", changed: [], problem: messageOf(error) };
    } finally {
      await declaration.save(node.machine, node.root.place(paths.declared));
    }
  }

  async function open() {
    if (fake.problem) throw new ConfigError([fake.problem]);
    return { ctx: { ...node.ctx, config: loadConfig({ flags }) }, phases };
  }

  /** Starts a daemon. It has made its first turn when this returns. */
  async function start() {
    const end = new AbortController();
    const wake = new Steps(end.signal);
    const daemon = new Daemon({
      machine: node.machine,
      desired: new Desired(node.machine, { version: "1.0", open, settleMs: 0 }),
      report: new Report(node.machine, { log: silentLog, clock: node.clock }),
      wake,
      files: new FileWatch(node.machine, new Wake()),
      clock: node.clock,
      monotonic: () => fake.now,
      random: () => 0.5,
      rest() {},
      limited: (_, work) => work(),
      async work(task, { onLine }) {
        tasks.push(task);
        return await fake.work(task, () => working(task, onLine));
      },
      signal: end.signal,
    });
    fake.end = () => end.abort();
    const ended = daemon.run();
    await wake.asleep();
    return {
      daemon,
      wake,
      /** Makes turns, each after this time. */
      async turns(count: number, ms = 0) {
        for (let at = 0; at < count; at++) {
          fake.now += ms;
          await wake.turn();
        }
      },
      async [Symbol.asyncDispose]() {
        end.abort();
        await ended;
      },
    };
  }

  return {
    ...node,
    flags,
    tasks,
    fake,
    start,
    /** A file of the configuration is written: whatever it says, what `flags` and `fake.problem` say counts. */
    configure: (text: string) => node.root.write(`${paths.configDir}/a.yaml`, text),
    /** All phases run, as after `init`. */
    up: async () => void (await working({ do: "start" }, () => {})),
    health: () => readHealth(node.root.place(paths.kubeStatus)),
    events: () => readEvents(node.root.place(paths.events)).map(({ what }) => what),
    hold: (...ids: string[]) => node.root.write(paths.held, JSON.stringify(ids)),
  };
}
