/** How a program of the build host is run. */
export interface RunOptions {
  cwd?: string;
  /** The whole environment of the child; the caller's own when left out. */
  env?: Record<string, string>;
  /** Text for standard input; without it the child reads an empty one. */
  input?: string;
  /** After this long the child is killed and the call fails. Default: ten minutes. */
  timeoutMs?: number;
  /** Exit codes that count as success. Default: 0 only. */
  accept?: number[];
  /** Ends the child, and everything it started, even when this program is killed. */
  tied?: boolean;
}

/** What a program left behind. */
export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/**
 * A new PID namespace dies as a whole with its first process, and that one dies with us: a build that outlived a killed run
 * would go on writing into a directory the next run believes to be its own.
 */
const TIED = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--"];

/** The last lines of a text: enough to see why a program failed. */
export function tail(text: string, lines = 20): string {
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}

/**
 * Runs a program to its end and gives its output.
 *
 * @param argv The program and its arguments; no shell is involved.
 * @throws When the program is missing, takes too long or ends with a code that is not accepted. The message has the command and the last lines it wrote.
 */
export async function run(argv: string[], options: RunOptions = {}): Promise<RunResult> {
  const command = argv.join(" ");
  let child: Bun.Subprocess<Blob | "ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn(options.tied ? [...TIED, ...argv] : argv, {
      stdin: options.input === undefined ? "ignore" : new Blob([options.input]),
      stdout: "pipe",
      stderr: "pipe",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new Error(
      `Cannot run "${command}": ${(error as Error).message}; install the program or put it in PATH`,
    );
  }
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if ((options.accept ?? [0]).includes(exitCode)) return { stdout, stderr, exitCode };
  const ended = child.signalCode === null ? `exit code ${exitCode}` : `ended by ${child.signalCode}`;
  const said = tail(stderr.trim() === "" ? stdout : stderr);
  throw new Error(`Cannot run "${command}": ${ended}; expected success\n${said}`);
}
