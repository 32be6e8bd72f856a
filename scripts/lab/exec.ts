import { randomUUID } from "node:crypto";
import { waitFor } from "../lib/wait.ts";
import { DOCKER } from "./constants.ts";
import { docker, dockerEnv } from "./engine.ts";

/** How a program in a lab host is run. */
export interface ExecOptions {
  /** Text for standard input. */
  input?: string;
  /** Variables added to the host's own environment. */
  env?: Record<string, string>;
  /** Working directory in the host. Default: `/`. */
  cwd?: string;
  /** After this long the program is killed, in the host, and the call fails. Default: two minutes. */
  timeoutMs?: number;
}

/** What a program left behind. */
export interface ExecResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** How a program in a lab host is started. */
export type SpawnOptions = Omit<ExecOptions, "timeoutMs">;

/** One line of a running program. */
export interface OutputLine {
  stream: "stdout" | "stderr";
  text: string;
  /** Milliseconds since the start. */
  at: number;
}

/** A program running in a lab host. */
export interface Running {
  /** Its process id in the host. */
  pid: number;
  /** Its lines of both streams, in the order they arrive, until both end. */
  lines: AsyncIterable<OutputLine>;
  /** All it has written so far. */
  output(): string;
  /**
   * Sends a signal to the process itself, in the host.
   *
   * @param signal Default: KILL. A process that is gone already is not an error.
   * @param whole Also to everything the process started that is still in its process group.
   */
  kill(signal?: string, whole?: boolean): Promise<void>;
  /** The exit code; 128 + number after a signal. */
  exited: Promise<number>;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const START_DEADLINE_MS = 30_000;

/**
 * Killing the Docker client leaves the program in the host running, and the engine knows only its pid outside. So a shell
 * writes its own pid where it can be read from inside, and becomes the program.
 */
const REMEMBER = 'echo $$ >"$LAB_PID.new" && mv "$LAB_PID.new" "$LAB_PID" && unset LAB_PID && exec "$@"';

/** A place that no test compares before and after, and that a restart empties. */
const pidFile = (id: string) => `/dev/shm/lab-${id}`;

function start(
  name: string,
  argv: string[],
  options: SpawnOptions,
): { id: string; child: Bun.Subprocess<Blob | "ignore", "pipe", "pipe"> } {
  const id = randomUUID();
  const env = Object.entries({ ...options.env, LAB_PID: pidFile(id) }).flatMap(([key, value]) => [
    "--env",
    `${key}=${value}`,
  ]);
  const input = options.input === undefined ? [] : ["--interactive"];
  const command = [
    DOCKER,
    "exec",
    ...input,
    ...env,
    "--workdir",
    options.cwd ?? "/",
    name,
    "sh",
    "-c",
    REMEMBER,
    "sh",
    ...argv,
  ];
  const child = Bun.spawn(command, {
    env: dockerEnv(),
    stdin: options.input === undefined ? "ignore" : new Blob([options.input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  return { id, child };
}

/** Kills by the remembered pid, from inside. */
async function killIn(name: string, id: string, signal: string, whole: boolean): Promise<void> {
  const script = 'pid=$(cat "$1") && kill -"$2" "$3$pid"';
  await docker(
    ["exec", name, "sh", "-c", script, "sh", pidFile(id), signal.replace(/^SIG/, ""), whole ? "-" : ""],
    { accept: [0, 1] },
  );
}

/**
 * Runs a program in a lab host to its end.
 *
 * @param name The host.
 * @throws When it takes too long (it is killed then, with all it started) or when the host does not run.
 */
export async function execIn(name: string, argv: string[], options: ExecOptions = {}): Promise<ExecResult> {
  const { id, child } = start(name, argv, options);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void killIn(name, id, "KILL", true)
      .catch(() => undefined)
      .finally(() => child.kill("SIGKILL"));
  }, timeoutMs);
  try {
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (late)
      throw new Error(
        `Cannot finish "${argv.join(" ")}" on lab host ${name}: still running after ${timeoutMs} ms, killed\n${stdout}${stderr}`,
      );
    return { stdout, stderr, exitCode };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts a program in a lab host.
 *
 * @param name The host.
 * @returns When the program has its pid.
 * @throws When the host does not run. A missing program is exit code 127.
 */
export async function spawnIn(name: string, argv: string[], options: SpawnOptions = {}): Promise<Running> {
  const { id, child } = start(name, argv, options);
  const queue = new LineQueue();
  const pumps = Promise.all([queue.pump("stdout", child.stdout), queue.pump("stderr", child.stderr)]).then(
    () => queue.end(),
  );
  const pid = await waitFor(
    async () => {
      const { stdout } = await docker(["exec", name, "cat", pidFile(id)], { accept: [0, 1] });
      if (stdout !== "") return Number(stdout);
      if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}: ${queue.text()}`);
      return undefined;
    },
    {
      what: `the start of "${argv.join(" ")}" on lab host ${name}`,
      deadlineMs: START_DEADLINE_MS,
      everyMs: 20,
    },
  );
  return {
    pid,
    lines: queue,
    output: () => queue.text(),
    kill: (signal = "KILL", whole = false) => killIn(name, id, signal, whole),
    exited: pumps.then(() => child.exited),
  };
}

/** Lines of two streams in order of arrival, for any number of readers, each from the beginning. */
class LineQueue implements AsyncIterable<OutputLine> {
  readonly #lines: OutputLine[] = [];
  readonly #started = performance.now();
  #ended = false;
  #wake = Promise.withResolvers<void>();

  async pump(stream: OutputLine["stream"], source: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of source) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const text of parts) this.#push(stream, text);
    }
    if (rest !== "") this.#push(stream, rest);
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  text(): string {
    return this.#lines.map((line) => line.text).join("\n");
  }

  async *[Symbol.asyncIterator](): AsyncIterator<OutputLine> {
    for (let next = 0; ;) {
      const line = this.#lines[next];
      if (line !== undefined) {
        next += 1;
        yield line;
      } else if (this.#ended) return;
      else await this.#wake.promise;
    }
  }

  #push(stream: OutputLine["stream"], text: string): void {
    this.#lines.push({ stream, text, at: performance.now() - this.#started });
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
