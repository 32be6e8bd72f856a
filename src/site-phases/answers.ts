import type { Config } from "../config/config.ts";
import { kubeVariables } from "../config/kube-env.ts";
import { messageOf } from "../errors.ts";
import { interrupted } from "../runner/wait.ts";
import { printable } from "./output.ts";
import { runScript, type ScriptEnd } from "./process.ts";

/** How long a script may take to say what it is, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5000;

/** The longest title, in characters: it is a column of a table. */
const MAX_TITLE = 80;

/** What a script says of itself. */
export interface Answers {
  title: string;
  hasStatus: boolean;
}

/** What a script is asked with. */
export interface AskOptions {
  config: Config;
  signal: AbortSignal;
  /** @default {5000} */
  timeoutMs?: number;
}

/** Asks a script for its title and whether it has a status check, both at once. */
export async function answersOf(file: string, options: AskOptions): Promise<Answers | { problem: string }> {
  const [name, canRunStatus] = await Promise.all([
    ask([file, "name"], options),
    ask([file, "can_run_status"], options),
  ]);
  if ("problem" in name) return name;
  if ("problem" in canRunStatus) return canRunStatus;
  const ending = name.exitCode === 0 && name.signalName === undefined ? undefined : endingOf(name);
  if (ending !== undefined) return { problem: `does not answer "name": ${ending}; expected its title` };
  const [title = "", ...more] = name.lines;
  const problem = titleProblem(title.trim(), more.length + 1);
  if (problem !== undefined) return { problem: `answers "name" with ${problem}` };
  return {
    title: title.trim(),
    hasStatus: canRunStatus.exitCode === 0 && canRunStatus.signalName === undefined,
  };
}

function titleProblem(title: string, lines: number): string | undefined {
  if (lines > 1) return `${lines} lines; expected its title in one`;
  if (title === "") return "nothing; expected its title in one line";
  if (/[\p{C}\p{Zl}\p{Zp}\uFFFD]/u.test(title)) return "what is no text; expected its title in one line";
  if (title.length > MAX_TITLE) return `${title.length} characters; expected at most ${MAX_TITLE}`;
  return undefined;
}

interface Answer extends ScriptEnd {
  lines: string[];
  lastErr: string;
}

async function ask(argv: [string, string], options: AskOptions): Promise<Answer | { problem: string }> {
  const lines: string[] = [];
  let lastErr = "";
  const { timeoutMs = ANSWER_TIMEOUT_MS } = options;
  const end = await runScript(argv, {
    env: kubeVariables(options.config),
    timeoutMs,
    graceMs: 0,
    signal: options.signal,
    onLine(line, from) {
      if (from === "stderr") lastErr = printable(line) || lastErr;
      // More than one is wrong however many there are.
      else if (lines.length < 100) lines.push(line);
    },
  }).catch((error: unknown) => ({ problem: messageOf(error).replace(/^it /, "") }));
  if ("problem" in end) return end;
  if (end.by === "signal") throw interrupted("ask the scripts of phases.d for their titles");
  if (end.by === "itself") return { ...end, lines, lastErr };
  return { problem: `does not answer "${argv[1]}" within ${timeoutMs / 1000} s` };
}

function endingOf({ exitCode, signalName, lastErr }: Answer): string {
  const ending =
    signalName === undefined ? `it ended with exit code ${exitCode}` : `it was ended by ${signalName}`;
  return lastErr === "" ? ending : `${ending}: ${lastErr}`;
}
