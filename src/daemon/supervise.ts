import type { Phase } from "../runner/phase.ts";
import type { Task } from "./judge.ts";
import type { WorkerLine, WorkResult } from "./worker.ts";

/** How often the node is looked at while a worker is at work, in milliseconds. */
const LOOK_EVERY_MS = 2_000;

/** So long may a phase that the worker is done with fail before the worker is called back, in milliseconds. */
const OVERTAKEN_MS = 5_000;

/** How a worker is watched. */
export interface Supervision {
  task: Task;
  phases: readonly Phase[];
  /** Runs the worker to its end, or to a safe point after the signal. */
  run: (onLine: (line: WorkerLine) => void, signal: AbortSignal) => Promise<WorkResult>;
  /** Looks at the node. @returns the first phase whose check fails; or words on why the task is not wanted any more */
  look: () => Promise<{ failing: string | undefined; obsolete?: string }>;
  /** Sleeps until something happens or the time is over. */
  sleep: (ms: number, signal: AbortSignal) => Promise<unknown>;
  monotonic: () => number;
  signal: AbortSignal;
}

/**
 * Has a worker do a task, and goes on looking meanwhile: a worker may wait minutes for something that cannot come any more
 * because a phase before it has failed since. Then it is called back, and the node is judged anew.
 *
 * @returns what the worker did; `overtaken` says why it was called back
 */
export async function supervise(options: Supervision): Promise<WorkResult & { overtaken?: string }> {
  const back = new AbortController();
  const ended = new AbortController();
  const progress = new Progress(options.task, options.phases);
  let overtaken: string | undefined;
  const callBack = (why: string) => {
    overtaken = why;
    back.abort();
  };
  const work = options
    .run((line) => progress.follow(line), AbortSignal.any([options.signal, back.signal]))
    .finally(() => ended.abort());
  // What the look throws, it throws again in the next turn of the loop, where it is told.
  const watching = watch({ ...options, progress, ended: ended.signal, callBack }).catch(() => {});
  const result = await work;
  await watching;
  return { ...result, ...(overtaken !== undefined && { overtaken }) };
}

async function watch(
  options: Supervision & { progress: Progress; ended: AbortSignal; callBack: (why: string) => void },
): Promise<void> {
  const { progress, ended, look, sleep, monotonic, callBack } = options;
  let since: { id: string; at: number } | undefined;
  await sleep(LOOK_EVERY_MS, ended);
  while (!ended.aborted) {
    const { failing, obsolete } = await look();
    if (ended.aborted) return;
    if (obsolete !== undefined) return callBack(obsolete);
    if (failing === undefined || !progress.isBehind(failing)) since = undefined;
    else if (since?.id !== failing) since = { id: failing, at: monotonic() };
    else if (monotonic() - since.at >= OVERTAKEN_MS) return callBack(`"${failing}" fails meanwhile`);
    await sleep(LOOK_EVERY_MS, ended);
  }
}

/** Which phases the worker is done with. */
class Progress {
  readonly #behind: Set<string>;

  constructor(task: Task, phases: readonly Phase[]) {
    const from = "from" in task ? phases.findIndex(({ id }) => id === task.from) : 0;
    this.#behind = new Set(phases.slice(0, Math.max(0, from)).map(({ id }) => id));
  }

  follow(line: WorkerLine): void {
    if (line.type === "begin") this.#behind.delete(line.id);
    if (line.type === "end" && line.verb === "start") this.#behind.add(line.id);
  }

  isBehind(id: string): boolean {
    return this.#behind.has(id);
  }
}
