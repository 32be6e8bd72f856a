import { join } from "node:path";

/** The built program. */
export const NODELET = join(import.meta.dir, "../../dist/nodelet");

/** Everything that a run leaves for the operator to see. */
export interface Seen {
  stdout: string;
  stderr: string;
  code: number;
}

/** How a run differs from the usual one: from `/`, with an empty environment, without a terminal. */
export interface RunWith {
  cwd?: string;
  env?: Record<string, string>;
  /** What stands before the program, for example setpriv with its flags. */
  before?: readonly string[];
  program?: string;
}

/** Runs the built program to its end. */
export async function nodelet(args: readonly string[], options: RunWith = {}): Promise<Seen> {
  const child = Bun.spawn([...(options.before ?? []), options.program ?? NODELET, ...args], {
    cwd: options.cwd ?? "/",
    env: options.env ?? {},
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

/** True when a text has the marks of a stack trace or of an error that nobody has put into words. */
export function hasStackTrace(text: string): boolean {
  return /^\s+at .*[:(]\d+|\bat (async )?[\w.]+ \(|TypeError|ReferenceError|\$bunfs/m.test(text);
}
