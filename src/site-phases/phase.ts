import { kubeVariables } from "../config/kube-env.ts";
import type { Ctx } from "../ctx.ts";
import { AppError, InterruptedError } from "../errors.ts";
import type { Outcome } from "../host/host.ts";
import type { PlannedChange } from "../host/real.ts";
import { paths } from "../paths.ts";
import type { Phase, PhaseState } from "../runner/phase.ts";
import { PROBE_TIMEOUT_MS } from "../runner/status.ts";
import { printable } from "./output.ts";
import { runScript, type ScriptEnd } from "./process.ts";

/** From SIGTERM to SIGKILL, in milliseconds. */
const GRACE_MS = 2000;

/** Lines of one run that go into the log: a script that never stops talking must not fill the disk. */
const MAX_LINES = 10_000;

/** An executable of phases.d that has answered. */
export interface SiteScript {
  /** Its file name, `NNN-name`. */
  id: string;
  /** Where it is. */
  file: string;
  title: string;
  /** It answers `status`. */
  hasStatus: boolean;
}

/** How the script of a run ended, and its last line. */
interface Ended extends ScriptEnd {
  lastOut: string;
  lastErr: string;
}

/**
 * A phase that is a script of the site. What it changes is its own business: nothing of it is in the journal.
 *
 * @param plan collects what is not run in a dry run and under another root
 */
export function sitePhase(script: SiteScript, plan: PlannedChange[]): Phase {
  const operate = async (ctx: Ctx, verb: "start" | "stop"): Promise<Outcome> => {
    if (ctx.host.detached) {
      plan.push({ kind: "script", key: script.file, from: "not run", to: verb });
      return "unchanged";
    }
    const timeoutMs = ctx.config.phaseScriptTimeoutSeconds * 1000;
    const ended = await ask(ctx, { script, verb, timeoutMs, graceMs: GRACE_MS, onLine: logged(ctx, script) });
    return outcomeOf(ended, { ctx, script, verb });
  };
  return {
    id: script.id,
    title: script.title,
    site: true,
    roles: ["master", "worker"],
    start: (ctx) => operate(ctx, "start"),
    stop: (ctx) => operate(ctx, "stop"),
    ...(script.hasStatus && { status: (ctx: Ctx) => statusOf(ctx, script) }),
  };
}

function outcomeOf(
  ended: Ended,
  { ctx, script, verb }: { ctx: Ctx; script: SiteScript; verb: "start" | "stop" },
): Outcome {
  if (ended.by === "signal") {
    ctx.log.warn(`${script.id}: ended by the operator, with all that it started`);
    throw new InterruptedError(
      `Interrupted: did not ${verb} the phase "${script.id}"; its script was ended with all that it started`,
      { hint: "run the same command again to go on" },
    );
  }
  const problem = problemOf(ended, `${ctx.config.phaseScriptTimeoutSeconds} s`);
  if (problem === undefined) return ended.lastOut === "unchanged" ? "unchanged" : "changed";
  throw new AppError(problem, {
    hint: `see ${paths.kubeLog}${ended.by === "deadline" ? ", or set phaseScriptTimeoutSeconds" : ""}`,
  });
}

/** A check that does not end is killed when the runner gives it up. */
async function statusOf(ctx: Ctx, script: SiteScript): Promise<PhaseState> {
  const options = { script, verb: "status", timeoutMs: PROBE_TIMEOUT_MS, graceMs: 0 } as const;
  const ended = await ask(ctx, options);
  const problem = problemOf(ended, `${PROBE_TIMEOUT_MS / 1000} s`);
  if (problem === undefined) return { state: "running" };
  return { state: "failed", message: lastWords(ended) || problem };
}

async function ask(
  ctx: Ctx,
  options: {
    script: SiteScript;
    verb: string;
    timeoutMs: number;
    graceMs: number;
    onLine?: (line: string) => void;
  },
): Promise<Ended> {
  const last = { stdout: "", stderr: "" };
  let cut = false;
  const ended = await runScript([options.script.file, options.verb], {
    ...options,
    env: kubeVariables(ctx.config),
    signal: ctx.signal,
    onLine(line, from) {
      const words = printable(line);
      if (words === "") return;
      // What comes after the end was asked for, such as "Terminated", tells nothing.
      if (!cut) last[from] = words;
      options.onLine?.(words);
    },
    onCut() {
      cut = true;
    },
  });
  return { ...ended, lastOut: last.stdout, lastErr: last.stderr };
}

/** What was wrong with a run, or undefined. @param limit the deadline, for a person */
function problemOf(ended: Ended, limit: string): string | undefined {
  const words = lastWords(ended);
  const tail = words === "" ? "" : `: ${words}`;
  if (ended.by === "deadline") return `it did not end within ${limit} and was killed${tail}`;
  if (ended.by === "signal") return `it was not waited for${tail}`;
  if (ended.signalName !== undefined) return `it was ended by ${ended.signalName}${tail}`;
  return ended.exitCode === 0 ? undefined : `it ended with exit code ${ended.exitCode}${tail}`;
}

function lastWords({ lastErr, lastOut }: Ended): string {
  const words = lastErr || lastOut;
  return words.length > 300 ? `${words.slice(0, 299)}…` : words;
}

function logged({ log }: Ctx, { id }: SiteScript): (line: string) => void {
  let count = 0;
  return (line) => {
    count++;
    if (count <= MAX_LINES) log.info(`${id}: ${line}`);
    if (count === MAX_LINES) log.warn(`${id}: said more than ${MAX_LINES} lines; the rest is left out`);
  };
}
