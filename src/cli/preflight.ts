import { checkPki } from "../../certs/ensure.ts";
import { pkiOptions } from "../../certs/options.ts";
import { AppError, EXPLAIN, ExitCode, type Finding, UsageError } from "../errors.ts";
import { certificatesCode } from "../preflight/codes.ts";
import {
  type PreflightOptions,
  type PreflightReport,
  runPreflight,
  withVerdict,
} from "../preflight/preflight.ts";
import { systemProbe } from "../preflight/system-probe.ts";
import { isAdmitted } from "./join-admit.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { withKeyFile } from "./key-file.ts";
import { type GlobalOptions, openSession, type Session } from "./session.ts";

/** Options of `nodelet preflight` beside the keys of the configuration. */
export interface PreflightCommandOptions extends GlobalOptions {
  output: OutputFormat;
  [key: string]: unknown;
}

/** How a host is checked. */
export interface CheckHostOptions {
  looking?: boolean;
  joining?: boolean;
  onBytes?: NonNullable<PreflightOptions["onBytes"]>;
}

/**
 * Everything that can be known of a host before the first change.
 *
 * @param options `looking`: nothing follows; `joining`: the cluster is there already, and gives what this host lacks
 */
export async function checkHost(
  session: Session,
  { joining = false, ...options }: CheckHostOptions = {},
): Promise<PreflightReport> {
  const { config, node, bundle, host } = session.ctx;
  const { bundleProblem, recorded } = session;
  const report = await runPreflight({
    config,
    node,
    bundle,
    probe: systemProbe(host),
    installed: recorded !== undefined,
    ...(recorded && { cluster: recorded }),
    ...(bundleProblem && { bundleProblem: wordsOf(bundleProblem) }),
    joining,
    ...options,
  });
  // One that was interrupted before a master has given it everything has some of them, and is given the others.
  const isGiven = joining && !(await isAdmitted(session));
  const unseen = isGiven ? "a master gives them to a node that joins" : undefined;
  const findings = unseen === undefined ? await pkiFindings(session) : [];
  return withVerdict(report, { about: certificatesCode, findings, unseen });
}

/** Certificates that the operator put in place are judged before anything is changed, like all the rest. */
async function pkiFindings({ ctx }: Session): Promise<Finding[]> {
  try {
    await checkPki(ctx.host, pkiOptions(ctx));
    return [];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [{ code: certificatesCode.code, ...wordsOf(error) }];
  }
}

function wordsOf({ message, hint }: AppError): Omit<Finding, "code"> {
  return { message, ...(hint && { hint }) };
}

/**
 * `nodelet preflight [init|join]`: every check, and no change.
 *
 * @param call `what`: join judges the host as a worker, unless another role is given
 * @returns the exit code: that of a preflight that failed, or 0 with or without warnings
 */
export async function preflight(
  io: Io,
  call: { options: PreflightCommandOptions; what: "init" | "join"; signal: AbortSignal },
): Promise<number> {
  const { what, signal } = call;
  const options = await withKeyFile(call.options);
  if (options.root !== "/") {
    throw new UsageError(`Cannot check a host below "${options.root}"; expected --root / or none`, {
      hint: "what a host is, its kernel and its network, is not in its files",
    });
  }
  const session = await openSession({
    options,
    io,
    signal,
    flags: what === "join" ? { ...options, role: options["role"] ?? "worker" } : options,
    purpose: "look",
    // Told together with everything else that is wrong.
    withoutBundle: true,
    withoutSitePhases: true,
  });
  const report = await checkHost(session, { looking: true, joining: what === "join" });
  const { errors: failures, warnings, passed, unseen } = report;
  const result = { passed, failures, warnings, unseen };
  showResult(io, { format: options.output, result, table: reportText(report) });
  return failures.length > 0 ? ExitCode.preflight : ExitCode.ok;
}

/** Failures, then warnings, then what could not be seen, then how many checks passed. */
export function reportText({ errors, warnings, passed, unseen }: PreflightReport): string {
  const rows = [
    errors.map((one) => ({ ...one, level: "failure" })),
    warnings.map((one) => ({ ...one, level: "warning" })),
    unseen.map(({ code, title, reason }) => ({
      level: "not seen",
      code,
      message: `whether ${title}: ${reason}`,
      hint: undefined,
    })),
  ];
  const width = Math.max("CODE".length, ...rows.flat().map(({ code }) => code.length)) + 2;
  const line = (level: string, code: string, text: string) =>
    `${level.padEnd(10)}${code.padEnd(width)}${text}`.trimEnd();
  const blocks = rows
    .filter((group) => group.length > 0)
    .map((group) =>
      group
        .flatMap(({ level, code, message, hint }) => [
          line(level, code, message),
          ...(hint ? [line("", "", `-> ${hint}`)] : []),
        ])
        .join("\n"),
    );
  const table =
    blocks.length > 0 ? [`${line("LEVEL", "CODE", "MESSAGE, -> REMEDY")}\n${blocks.join("\n\n")}`] : [];
  const found = errors.length + warnings.length;
  return `${[...table, closing({ errors, warnings, passed, unseen })].join("\n\n")}\n${found > 0 ? `${EXPLAIN}\n` : ""}`;
}

function closing({ errors, warnings, passed, unseen }: PreflightReport): string {
  const checks = (count: number) => `${count} check${count === 1 ? "" : "s"}`;
  const counts = [
    `${checks(passed.length)} passed`,
    `${errors.length} failure${errors.length === 1 ? "" : "s"}`,
    `${warnings.length} warning${warnings.length === 1 ? "" : "s"}`,
    ...(unseen.length > 0 ? [`${unseen.length} not seen`] : []),
  ].join(", ");
  return `${counts}. ${errors.length > 0 ? "This host cannot become a node as it is." : "This host can become a node."}`;
}
