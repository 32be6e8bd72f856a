import type { NodeState } from "./health.ts";

/** From this attempt on a node counts as failed; it is tried again all the same. Seed: "more than 10 times". */
const FAILED_AFTER = 10;

/** The longest pause between two attempts, in milliseconds. */
const LONGEST_PAUSE_MS = 60_000;

/** What is to be done with the phases. */
export type Task =
  /** Starts what is not as it should be, from a phase on; what is well is left as it is. */
  | { do: "start"; from?: string }
  /** Stops and starts the chain from a phase on. */
  | { do: "restart"; from: string }
  /** Stops and starts everything; certificates are kept, and nothing is drained. */
  | { do: "full" }
  /** Starts only what depends on the other nodes, which are others now. */
  | { do: "follow" }
  /** Stops everything. */
  | { do: "stop" };

/** What the judge remembers from one pass to the next. Times are milliseconds of a clock that never jumps. */
export interface Memory {
  /** Consecutive attempts on a node that is not well. */
  attempts: number;
  /** Since when a check has been failing without a break. */
  failingSince: number | undefined;
  /** No attempt before this. */
  notBefore: number;
  /** What the last task did not manage, until one does. */
  taskFailed: boolean;
  /** What failed last had its cause elsewhere. */
  elsewhere: boolean;
}

/** What a pass has seen. */
export interface Seen {
  desired: "true" | "false" | "ignore";
  /** Ids of phases whose check fails, in their order; phases that are held are not among them. */
  failing: readonly string[];
  /** The cause of the first of them is another host, or the network between. */
  elsewhere?: boolean;
  /** Something of ours was changed by others, or the configuration was changed and is not in force yet. */
  changed: boolean;
  /** The nodes of the cluster are others than those that the phases were last started with. */
  unfollowed?: boolean;
  /** Everything was stopped, and nothing has come back since. */
  stopped: boolean;
  /** Milliseconds of the clock that never jumps. */
  now: number;
}

/** The judge's rules, from the configuration. */
export interface Rules {
  fullRetryCount: number;
  toleranceMs: number;
}

/** The judgement: what to remember, what to do, and when to look again at the latest. */
export interface Judgement {
  memory: Memory;
  task: Task | undefined;
  /** Milliseconds; undefined when the usual interval will do. */
  lookAgainIn: number | undefined;
}

/** Nothing has happened yet. */
export const NO_MEMORY: Memory = {
  attempts: 0,
  failingSince: undefined,
  notBefore: 0,
  taskFailed: false,
  elsewhere: false,
};

/** Judges what was seen. Pure: same memory and same facts, same judgement. */
export function judge(before: Memory, seen: Seen, rules: Rules): Judgement {
  const elsewhere = seen.elsewhere ?? false;
  // Attempts that nothing here could make succeed say nothing of this node, and nothing has to be waited for after them.
  const isOver = before.elsewhere && !elsewhere;
  const memory = { ...before, ...(isOver && { attempts: 0, notBefore: 0 }), elsewhere };
  if (seen.desired === "ignore") return { memory: NO_MEMORY, task: undefined, lookAgainIn: undefined };
  const { now } = seen;
  if (seen.desired === "false") {
    if (seen.stopped) return { memory: NO_MEMORY, task: undefined, lookAgainIn: undefined };
    return attempt(memory, { now, task: () => ({ do: "stop" }) });
  }
  // A check may fail for that alone. It is no attempt: nothing is wrong with this node.
  if (seen.unfollowed) return { memory, task: { do: "follow" }, lookAgainIn: undefined };
  const [first] = seen.failing;
  if (first === undefined) {
    // All checks are good. What is left is to bring about what was changed; a failure of that is an attempt as well.
    if (!seen.changed && !memory.taskFailed)
      return { memory: NO_MEMORY, task: undefined, lookAgainIn: undefined };
    const good = { ...memory, failingSince: undefined };
    if (memory.taskFailed) {
      const task = (attempts: number): Task => ({ do: isFull(attempts, rules) ? "full" : "start" });
      return attempt(good, { now, task });
    }
    return { memory: good, task: { do: "start" }, lookAgainIn: undefined };
  }
  const failingSince = memory.failingSince ?? now;
  const tolerated = failingSince + rules.toleranceMs - now;
  if (tolerated > 0) {
    return { memory: { ...memory, failingSince }, task: undefined, lookAgainIn: Math.min(tolerated, 1000) };
  }
  const task = (attempts: number): Task => {
    // What is missing here is started; what runs goes on, with its pods.
    if (elsewhere) return { do: "start" };
    if (isFull(attempts, rules)) return { do: "full" };
    // Starting is enough for most of what happens, and leaves alone what is well.
    if (attempts === 1) return { do: "start", ...(!seen.changed && { from: first }) };
    return { do: "restart", from: first };
  };
  return attempt({ ...memory, failingSince }, { now, task });
}

const isFull = (attempts: number, { fullRetryCount }: Rules) => attempts % fullRetryCount === 0;

function attempt(memory: Memory, next: { now: number; task: (attempts: number) => Task }): Judgement {
  const wait = memory.notBefore - next.now;
  if (wait > 0) return { memory, task: undefined, lookAgainIn: wait };
  const attempts = memory.attempts + 1;
  return { memory: { ...memory, attempts }, task: next.task(attempts), lookAgainIn: undefined };
}

/**
 * The memory after a task. Each attempt is followed by a pause twice as long as the one before, up to a minute, and by
 * chance up to half shorter or longer, so that nodes with the same trouble do not all try at once.
 *
 * @param ended `random`: from 0 up to 1
 */
export function afterTask(memory: Memory, ended: { ok: boolean; now: number; random: number }): Memory {
  const pause = Math.min(1000 * 2 ** Math.max(0, memory.attempts - 1), LONGEST_PAUSE_MS);
  const attempts = Math.max(memory.attempts, ended.ok ? 0 : 1);
  return {
    ...memory,
    attempts,
    taskFailed: !ended.ok,
    notBefore: ended.now + pause * (0.5 + ended.random),
  };
}

/** The state by attempts, as the original counts them; `wanted` is whether the node is as it should be. */
export function nodeState(attempts: number, wanted: boolean): NodeState {
  if (wanted) return "ok";
  if (attempts <= 1) return "converging";
  return attempts <= FAILED_AFTER ? "retrying" : "failed";
}
