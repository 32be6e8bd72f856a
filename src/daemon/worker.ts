import { ExitCode, messageOf } from "../errors.ts";
import type { Task } from "./judge.ts";

/** A line that the worker writes: what a phase does, or how all of it ended. */
export type WorkerLine =
  | { type: "begin" | "end" | "fail"; id: string; title: string; verb: "start" | "stop"; message?: string }
  | { type: "done"; changed: string[]; failures: string[] };

/** How a task ended. */
export interface WorkResult {
  outcome: "ok" | "failed" | "locked" | "interrupted";
  /** Ids of phases that changed something. */
  changed: string[];
  /** What went wrong, in the words of the program. */
  problem: string;
}

/** Longer than all phases together may take, in milliseconds; a worker that is stuck is ended then. */
const DEADLINE_MS = 30 * 60_000;

/** How long a worker may take to reach a safe point, in milliseconds. */
const GRACE_MS = 60_000;

/** How to run a task. */
export interface WorkOptions {
  task: Task;
  /** The program and its first words, to which the command is added. */
  program: readonly string[];
  onLine: (line: WorkerLine) => void;
  /** Ends the worker at its next safe point. */
  signal: AbortSignal;
  env: Record<string, string>;
  /** @default {1_800_000} */
  deadlineMs?: number;
}

/**
 * Does a task in a process of its own: the memory that it takes is given back when it ends, and it takes the lock and
 * writes the journal as an operator's command does. Never rejects: a worker that cannot even be started has failed.
 */
export async function runWorker(options: WorkOptions): Promise<WorkResult> {
  // A signal that has fired tells nobody any more.
  if (options.signal.aborted) return { outcome: "interrupted", changed: [], problem: "" };
  try {
    return await follow(start(options), options);
  } catch (error) {
    return { outcome: "failed", changed: [], problem: `Cannot run the worker: ${messageOf(error)}` };
  }
}

function start({ task, program, env }: WorkOptions) {
  const from = "from" in task && task.from !== undefined ? ["--from", task.from] : [];
  return Bun.spawn([...program, "reconcile", task.do, ...from], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function follow(child: ReturnType<typeof start>, options: WorkOptions): Promise<WorkResult> {
  const { signal, deadlineMs = DEADLINE_MS } = options;
  let late = false;
  let kill: Timer | undefined;
  const end = () => {
    child.kill("SIGTERM");
    kill ??= setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  };
  const deadline = setTimeout(() => {
    late = true;
    end();
  }, deadlineMs);
  signal.addEventListener("abort", end, { once: true });
  try {
    const words = new Response(child.stderr).text();
    const changed = await readLines(child.stdout, options.onLine);
    const code = await child.exited;
    // Whatever it says of its end then, the task was not done.
    if (late) return { outcome: "failed", changed, problem: `it did not end within ${deadlineMs / 1000} s` };
    return { outcome: outcomeOf(code), changed, problem: code === 0 ? "" : problemOf(await words, code) };
  } finally {
    clearTimeout(deadline);
    clearTimeout(kill);
    signal.removeEventListener("abort", end);
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: WorkerLine) => void,
): Promise<string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  let changed: string[] = [];
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      const line = parse(text);
      if (line?.type === "done") changed = line.changed;
      if (line) onLine(line);
    }
  }
  return changed;
}

/** Undefined for a line that is none of the worker's, such as what a library prints. */
function parse(text: string): WorkerLine | undefined {
  try {
    const line = JSON.parse(text) as Partial<Record<string, unknown>> | null;
    const type = line?.["type"];
    const known =
      type === "done"
        ? Array.isArray(line?.["changed"])
        : type === "begin" || type === "end" || type === "fail";
    return known ? (line as unknown as WorkerLine) : undefined;
  } catch {
    return undefined;
  }
}

function outcomeOf(code: number): WorkResult["outcome"] {
  if (code === ExitCode.ok) return "ok";
  if (code === ExitCode.locked) return "locked";
  return code === ExitCode.interrupted ? "interrupted" : "failed";
}

/** The line that a command ends with says what went wrong; the hint below it is for its operator. */
function problemOf(stderr: string, code: number): string {
  const line = stderr.split("\n").findLast((one) => one.startsWith("error: "));
  return line?.slice("error: ".length) ?? `the worker ended with code ${code}`;
}
