import { AppError } from "../errors.ts";

/** Where a host has programs of its own. */
export const HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The only environment that programs started by nodelet see, unless a caller gives more. */
export const BASE_ENV = {
  PATH: `/opt/pf9/bin:${HOST_PATH}`,
  LANG: "C.UTF-8",
  LC_ALL: "C.UTF-8",
};

/** How a program is run. */
export interface RunOptions {
  /** Added to a minimal environment; nothing is inherited. */
  env?: Record<string, string>;
  /** Text for standard input; closed when absent. */
  input?: string;
  /** Milliseconds until the program is killed. @default {30_000} */
  timeoutMs?: number;
  /** Throw when the exit code is not 0. @default {true} */
  check?: boolean;
  signal?: AbortSignal;
}

/** What a program left behind. */
export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** Shows a command so that it can be pasted into a shell. */
export function pretty(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

/**
 * Runs a program to its end, with an argument array, a minimal environment and a deadline.
 *
 * @throws AppError with the command and the last lines of its output when it is not found, is killed by the deadline,
 * or ends with another code than 0 while `check` is on.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const timeoutMs = options.timeoutMs ?? 30_000;
  const started = start(argv, options, timeoutMs);
  const output = Promise.all([new Response(started.stdout).text(), new Response(started.stderr).text()]);
  const exitCode = await started.exited;
  if (started.signalCode === "SIGKILL" && !options.signal?.aborted) {
    // What it started may hold its output open for long; nobody waits for that.
    throw new AppError(
      `Cannot finish "${pretty(argv)}": it was killed; expected an end within ${timeoutMs / 1000} s`,
    );
  }
  const [stdout, stderr] = await output;
  if (exitCode !== 0 && (options.check ?? true)) {
    const words = lastLines(stderr.trim() || stdout.trim());
    throw new AppError(
      `Command "${pretty(argv)}" failed with exit code ${exitCode}${words ? `: ${words}` : ""}`,
    );
  }
  return { stdout, stderr, exitCode };
}

function start(argv: readonly string[], options: RunOptions, timeoutMs: number) {
  const env = { ...BASE_ENV, ...options.env };
  const program = Bun.which(argv[0] ?? "", { PATH: env.PATH });
  if (program === null) {
    throw new AppError(`Cannot run "${argv[0]}": it is not on this host`, {
      hint: `install the package that brings ${argv[0]}`,
    });
  }
  return Bun.spawn([program, ...argv.slice(1)], {
    env,
    stdin: options.input === undefined ? "ignore" : Buffer.from(options.input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    // Ctrl-C goes to the whole group of a terminal: what is under way must come to its end, so it has a group of its own.
    detached: true,
    ...(options.signal && { signal: options.signal }),
  });
}

function lastLines(text: string): string {
  return text.split("\n").slice(-5).join("; ");
}
