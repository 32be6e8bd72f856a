import { AppError, codeOf, messageOf } from "../errors.ts";
import { BASE_ENV } from "../host/run.ts";
import { lineReader } from "./output.ts";

/** How long what a script left running may hold its output open, in milliseconds; nobody waits longer for that. */
const LINGER_MS = 500;

/** How often is looked whether anything of a group is left, in milliseconds. */
const LOOK_EVERY_MS = 50;

/** How a script is run. */
export interface ScriptOptions {
  /** Added to a minimal environment; nothing is inherited, and nothing of the minimal one is replaced. */
  env: Record<string, string>;
  /** Milliseconds until the script is ended with all that it started. */
  timeoutMs: number;
  /** Milliseconds from SIGTERM to SIGKILL; 0 kills at once. */
  graceMs: number;
  signal: AbortSignal;
  /** Told of each line while the script runs, as it came. */
  onLine: (line: string, from: "stdout" | "stderr") => void;
  /** Told when the script is ended rather than ends. */
  onCut?: () => void;
}

/** How a script ended. */
export interface ScriptEnd {
  /** Who ended it. */
  by: "itself" | "deadline" | "signal";
  /** 0 to 255; with a name of a signal, of no meaning. */
  exitCode: number;
  signalName: string | undefined;
}

/**
 * Runs a script to its end: argument array, no shell, `/` as its directory, a process group of its own. At the deadline, or
 * when the signal fires, the whole group is ended.
 *
 * @throws AppError when it cannot be started
 */
export async function runScript(argv: readonly string[], options: ScriptOptions): Promise<ScriptEnd> {
  if (options.signal.aborted) return { by: "signal", exitCode: 0, signalName: undefined };
  const child = spawn(argv, options.env);
  const stop = new AbortController();
  // Both at once: a script that fills one pipe while nobody reads it would stand still.
  const drained = Promise.all(
    (["stdout", "stderr"] as const).map((from) =>
      drain(child[from], { stop: stop.signal, onLine: (line) => options.onLine(line, from) }),
    ),
  );
  const by = await endOf(child, options);
  const linger = setTimeout(() => stop.abort(), LINGER_MS);
  await drained;
  clearTimeout(linger);
  return { by, exitCode: child.exitCode ?? 0, signalName: child.signalCode?.toString() };
}

type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;

function spawn(argv: readonly string[], env: Record<string, string>): Child {
  try {
    return Bun.spawn([...argv], {
      cwd: "/",
      env: { ...env, ...BASE_ENV },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
    });
  } catch (error) {
    throw new AppError(
      `it cannot be run: ${codeOf(error) ?? messageOf(error)}; expected a program, or a first line such as #!/bin/sh`,
    );
  }
}

/** Waits for the end of a script, and brings it about when it is time. */
async function endOf(child: Child, options: ScriptOptions): Promise<ScriptEnd["by"]> {
  let by: ScriptEnd["by"] = "itself";
  const end = (who: "deadline" | "signal") => {
    if (by !== "itself") return;
    by = who;
    options.onCut?.();
    // In the listener itself: after it, the program may end before anything else of it runs.
    killGroup(child, options.graceMs > 0 ? "SIGTERM" : "SIGKILL");
    if (options.graceMs > 0) grace = setTimeout(() => killGroup(child, "SIGKILL"), options.graceMs);
  };
  let grace: ReturnType<typeof setTimeout> | undefined;
  const onSignal = () => end("signal");
  const late = setTimeout(() => end("deadline"), options.timeoutMs);
  options.signal.addEventListener("abort", onSignal, { once: true });
  await child.exited;
  clearTimeout(late);
  options.signal.removeEventListener("abort", onSignal);
  if (by !== "itself") await groupGone(child, options.graceMs);
  clearTimeout(grace);
  return by;
}

/** The script may end before what it started, which has the same time to clean up. */
async function groupGone(child: Child, graceMs: number): Promise<void> {
  const end = performance.now() + graceMs;
  while (killGroup(child, 0) && performance.now() < end) await Bun.sleep(LOOK_EVERY_MS);
  killGroup(child, "SIGKILL");
}

/** Sends a signal to a script and all that it started. @returns false when nothing of it is left */
function killGroup(child: Child, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-child.pid, signal);
  } catch {
    return false;
  }
}

async function drain(
  stream: ReadableStream<Uint8Array>,
  { stop, onLine }: { stop: AbortSignal; onLine: (line: string) => void },
): Promise<void> {
  const reader = stream.getReader();
  const lines = lineReader(onLine);
  stop.addEventListener("abort", () => void reader.cancel().catch(() => undefined), { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    lines.add(value);
  }
  lines.end();
}
