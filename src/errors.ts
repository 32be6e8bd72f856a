/** Exit codes of the program, one meaning each. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  preflight: 3,
  config: 4,
  locked: 5,
  /** `status`: the node is not well, and the daemon is at it. */
  converging: 6,
  /** `status`: stopped on purpose. */
  stopped: 7,
  interrupted: 130,
} as const;

/** What to add to an {@linkcode AppError}. */
export interface AppErrorOptions {
  /** The way out, in the imperative, for example `stop it or set --api-port`. */
  hint?: string;
  cause?: unknown;
}

/**
 * An error that is shown to the operator as it is. The message states the action, the object, what was found and
 * what was expected; it starts with a capital and has no final period.
 */
export class AppError extends Error {
  override name = "AppError";
  /** The way out, shown on a line of its own. */
  readonly hint: string | undefined;
  /** The exit code that the program ends with. */
  readonly exitCode: number = ExitCode.failed;

  constructor(message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

/** The command line is wrong. */
export class UsageError extends AppError {
  override name = "UsageError";
  override readonly exitCode = ExitCode.usage;
}

/** One thing that preflight found, or one problem of a configuration file. */
export interface Finding {
  /** Short stable name, for example `PortInUse`. */
  code: string;
  message: string;
  hint?: string;
}

/** How to learn more about a finding. */
export const EXPLAIN = "nodelet explain CODE tells more";

/** The host cannot become a node as it is; carries every finding, not the first. */
export class PreflightError extends AppError {
  override name = "PreflightError";
  override readonly exitCode = ExitCode.preflight;

  constructor(readonly findings: readonly Finding[]) {
    super(`Cannot go on: ${findings.length} preflight check${findings.length === 1 ? "" : "s"} failed`, {
      hint: EXPLAIN,
    });
  }
}

/** The configuration is not valid; carries every problem, not the first. */
export class ConfigError extends AppError {
  override name = "ConfigError";
  override readonly exitCode = ExitCode.config;

  constructor(readonly problems: readonly string[]) {
    super(`Configuration is not valid: ${problems.length} problem${problems.length === 1 ? "" : "s"}`);
  }
}

/** Another nodelet is at work on this host. */
export class LockedError extends AppError {
  override name = "LockedError";
  override readonly exitCode = ExitCode.locked;
}

/** Somebody who was asked did not answer, or could not just now: the same question may be answered a moment later. */
export class UnavailableError extends AppError {
  override name = "UnavailableError";
}

/** The operator asked to stop (Ctrl-C, SIGTERM). */
export class InterruptedError extends AppError {
  override name = "InterruptedError";
  override readonly exitCode = ExitCode.interrupted;
}

/** The text of any thrown value, with the causes behind it, without stack traces. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `: ${messageOf(error.cause)}`;
  return `${error.message}${cause}`;
}

/** The `code` of a system error (`ENOENT`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
