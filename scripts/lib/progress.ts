/** How often a step that takes minutes shows that it is alive. */
const HEARTBEAT_MS = 30_000;

/** Writes what a long job is doing, and how long each part took, to standard error. */
export class Progress {
  #step = 0;

  /** @param total How many steps the job has; the lines count up to it. */
  constructor(readonly total: number) {}

  /**
   * Runs one step and reports it.
   *
   * @param what The step in a few words.
   * @param work The step; a text it gives is added to the closing line ("from cache", a size).
   * @throws Whatever the step throws, after a line that says how long it took to fail.
   */
  async step<T>(what: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
    this.#step += 1;
    const label = `[${this.#step}/${this.total}] ${what}`;
    const started = performance.now();
    const notes: string[] = [];
    // A terminal gets a line at once and its end later; a log file gets both lines, in order, with the same label.
    say(`${label} …`);
    const beat = setInterval(() => say(`${label}: still working, ${elapsed(started)}`), HEARTBEAT_MS);
    try {
      const result = await work((text) => notes.push(text));
      say(`${label}: ${[...notes, elapsed(started)].join(", ")}`);
      return result;
    } catch (error) {
      say(`${label}: failed after ${elapsed(started)}`);
      throw error;
    } finally {
      clearInterval(beat);
    }
  }
}

/** One line on standard error. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The time since `started` (a `performance.now()`), for a person. */
export function elapsed(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}

/** A number of bytes for a person. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * Runs a script's main function: an error becomes one message on standard error and exit code 1.
 *
 * @param main The whole script.
 */
export async function runScript(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

/**
 * Refuses to go on without root.
 *
 * @param what What needs it, for the message.
 * @throws When the caller is another user.
 */
export function requireRoot(what: string): void {
  const uid = process.getuid?.();
  if (uid === 0) return;
  throw new Error(`Cannot ${what}: running as uid ${uid}; expected root; run it with sudo`);
}
