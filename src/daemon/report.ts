import type { Clock, Log } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { Phase } from "../runner/phase.ts";
import { addEvent } from "./events.ts";
import { EMPTY_HEALTH, type HealthDocument, readHealth, writeHealth } from "./health.ts";
import type { WorkerLine } from "./worker.ts";

/** How long a failed check is told after it was good again, in milliseconds. Seed: ten minutes. */
const REMEMBERED_MS = 600_000;

/** Writes the health document and the last events, and never fails: a full disk must not stop the daemon. */
export class Report {
  readonly #machine: Machine;
  readonly #log: Log;
  readonly #clock: Clock;
  #health: HealthDocument;
  #written = "";
  #writing: Promise<void> = Promise.resolve();
  /** Files whose last write failed, and was told. */
  readonly #complained = new Set<string>();
  #goodSince: number | undefined;
  #failedHere = false;
  #open = new Map<string, string>();

  constructor(machine: Machine, options: { log: Log; clock: Clock }) {
    this.#machine = machine;
    this.#log = options.log;
    this.#clock = options.clock;
    const before = readHealth(placeOf(machine, paths.kubeStatus)) ?? EMPTY_HEALTH;
    // Of a daemon that was killed at work, nothing is under way any more.
    this.#health = { ...before, current_task: "", current_status_check: "" };
  }

  /** The document as it is now. */
  get health(): Readonly<HealthDocument> {
    return this.#health;
  }

  /** True while the disk has an older document than it should. */
  get isBehind(): boolean {
    return this.#complained.has(paths.kubeStatus);
  }

  /** Changes fields of the document; {@linkcode Report.write} puts them on the disk. */
  set(fields: Partial<HealthDocument>): void {
    this.#health = { ...this.#health, ...fields };
  }

  /** What phases there are, and which of them are left alone. */
  phases(phases: readonly Phase[]): void {
    this.set({
      all_tasks: phases.map(({ title }) => title),
      all_status_checks: phases.filter(({ status }) => status).map(({ title }) => title),
    });
  }

  /** What the checks found: the title of the first that fails, or undefined when all are good. */
  checked(failed: string | undefined, monotonic: number): void {
    if (failed !== undefined) {
      this.#goodSince = undefined;
      this.#failedHere = true;
      this.set({ last_failed_status_check: failed, last_failed_status_time: this.#seconds() });
      return;
    }
    this.#goodSince ??= monotonic - this.#goodBefore();
    if (monotonic - this.#goodSince >= REMEMBERED_MS)
      this.set({ last_failed_status_check: "", last_failed_status_time: 0 });
  }

  /** A daemon that was started anew does not know since when it has been good: at the most since it was last bad. */
  #goodBefore(): number {
    if (this.#failedHere) return 0;
    return Math.max(0, this.#clock.now() - this.#health.last_failed_status_time * 1000);
  }

  /** Now, as the document has it. */
  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  /** A look begins. */
  looking(): void {
    this.set({ status_check_timestamp: this.#seconds() });
  }

  /** Follows the worker, phase by phase. */
  working(line: WorkerLine): void {
    if (line.type === "done") {
      this.#open.clear();
      return this.set({ current_task: "" });
    }
    if (line.type === "begin") this.#open.set(line.id, line.title);
    else this.#open.delete(line.id);
    if (line.type === "fail") this.set({ last_failed_task: line.title });
    const completed = new Set(this.#health.completed_tasks);
    if (line.type === "end" && line.verb === "start") completed.add(line.title);
    else completed.delete(line.title);
    this.set({
      current_task: [...this.#open.values()][0] ?? "",
      completed_tasks: this.#health.all_tasks.filter((title) => completed.has(title)),
    });
  }

  /** Something happened that a person wants to know of. */
  event(what: string): void {
    this.#log.info(`nodeletd: ${what}`);
    const at = new Date(this.#clock.now()).toISOString();
    this.#writing = this.#writing.then(async () => {
      await this.#guard(paths.events, (file) => addEvent(file, { at, what }));
    });
  }

  /** Puts the document on the disk when it says something new. */
  async write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const text = JSON.stringify(this.#health);
      if (text === this.#written) return;
      const health = this.#health;
      if (await this.#guard(paths.kubeStatus, (file) => writeHealth(file, health))) this.#written = text;
    });
    await this.#writing;
  }

  /** Waits until all is written that was told so far. What is cut off by the end of the process leaves half a file. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #guard(path: string, write: (file: string) => Promise<void>): Promise<boolean> {
    try {
      await write(placeOf(this.#machine, path));
      this.#complained.delete(path);
      return true;
    } catch (error) {
      // Once is enough: it is tried again with the next look.
      if (!this.#complained.has(path)) this.#log.warn(`nodeletd: ${messageOf(error)}`);
      this.#complained.add(path);
      return false;
    }
  }
}
