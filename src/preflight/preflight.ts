import { checkBundle } from "../bundle/bundle.ts";
import { AppError, type Finding } from "../errors.ts";
import { networkPlugin } from "../network/plugins.ts";
import type { Check, CheckInput, CodeInfo, Plan } from "./check.ts";
import { checks } from "./checks.ts";
import { bundleCode, bundleCodes, notLinuxCode } from "./codes.ts";
import { look } from "./look.ts";
import type { HostProbe } from "./probe.ts";

/** What preflight works on. */
export interface PreflightOptions extends Plan {
  probe: HostProbe;
  /** Why the bundle could not be opened; what its checks would make of an empty one is noise. */
  bundleProblem?: Omit<Finding, "code">;
  /** Told of what was verified of the bundle, and how much that is in all. */
  onBytes?: (bytes: number, total: number) => void;
}

/** A check that found nothing. */
export type Passed = Pick<CodeInfo, "code" | "title">;

/** A check that could not be made, and why. */
export type Unseen = Passed & { reason: string };

/** All that was found; init goes on when there are no errors. */
export interface PreflightReport {
  errors: Finding[];
  warnings: Finding[];
  passed: Passed[];
  unseen: Unseen[];
}

/** What came of one check. */
export interface Verdict {
  about: CodeInfo;
  findings: readonly Finding[];
  /** Why it was not made. */
  unseen: string | undefined;
}

/**
 * Checks the host, the plan and the bundle before the first change. Looks at everything at once, then judges, and
 * reports all findings together in the order of the table of checks.
 */
export async function runPreflight(options: PreflightOptions): Promise<PreflightReport> {
  const { probe, bundleProblem, onBytes, ...plan } = options;
  const os = probe.os();
  if (os !== "linux") return reportOf([notLinux(os)]);
  const facts = await look(probe, plan);
  const input: CheckInput = { ...plan, facts };
  return reportOf([
    { about: notLinuxCode, findings: [], unseen: undefined },
    ...checks
      .filter((check) => check.applies?.(input) ?? true)
      .filter(({ code }) => !bundleProblem || !code.startsWith(bundleCode.code))
      .map((check) => judge(check, input)),
    ...(bundleProblem ? [noBundle(bundleProblem)] : await judgeBundle(input, onBytes)),
  ]);
}

/** Adds to a report what somebody else has looked at, or has not. */
export function withVerdict(report: PreflightReport, verdict: Verdict): PreflightReport {
  const { errors, warnings, passed, unseen } = reportOf([verdict]);
  return {
    errors: [...report.errors, ...errors],
    warnings: [...report.warnings, ...warnings],
    passed: [...report.passed, ...passed],
    unseen: [...report.unseen, ...unseen],
  };
}

/** Nothing else can be asked of such a host. */
function notLinux(os: string): Verdict {
  const message = `This host runs ${os}; expected linux`;
  const finding = { code: notLinuxCode.code, message, hint: "use a Linux host with systemd" };
  return { about: notLinuxCode, findings: [finding], unseen: undefined };
}

function judge(check: Check, input: CheckInput): Verdict {
  const { code } = check;
  const unseen = check.unseen?.(input);
  const problems = unseen === undefined ? check.run(input) : [];
  return { about: check, findings: problems.map((problem) => ({ code, ...problem })), unseen };
}

function noBundle(problem: Omit<Finding, "code">): Verdict {
  return { about: bundleCode, findings: [{ code: bundleCode.code, ...problem }], unseen: undefined };
}

async function judgeBundle(
  { bundle, config, node, facts }: CheckInput,
  onBytes: PreflightOptions["onBytes"],
): Promise<Verdict[]> {
  const total = bundle.source?.bytesToCheck(facts.missing) ?? 0;
  const damage = await bundle.source?.check(facts.missing, (bytes) => onBytes?.(bytes, total));
  const found = [
    ...checkBundle(bundle, { ...config, ...node }),
    ...(damage ?? []),
    ...(await pluginFindings({ bundle, config })),
  ];
  // One verdict for each code, and at its end all findings in the order of the bundle's entries.
  const passed = bundleCodes.filter(({ code }) => !found.some((one) => one.code === code));
  return [
    { about: bundleCode, findings: found, unseen: undefined },
    ...passed.map((about) => ({ about, findings: [], unseen: undefined })),
  ];
}

/** The plugin says what it lacks; a bundle that is damaged is told by its own checks. */
async function pluginFindings(plan: Pick<Plan, "bundle" | "config">): Promise<Finding[]> {
  try {
    await networkPlugin(plan.config).check?.(plan);
    return [];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { message, hint } = error;
    return [{ code: "BundleNetworkPlugin", message, ...(hint && { hint }) }];
  }
}

function reportOf(verdicts: readonly Verdict[]): PreflightReport {
  const found = (level: CodeInfo["level"]) =>
    verdicts.filter(({ about }) => about.level === level).flatMap(({ findings }) => findings);
  return {
    errors: found("error"),
    warnings: found("warning"),
    passed: verdicts
      .filter(({ findings, unseen }) => findings.length === 0 && unseen === undefined)
      .map(({ about: { code, title } }) => ({ code, title })),
    unseen: verdicts.flatMap(({ about: { code, title }, unseen }) =>
      unseen === undefined ? [] : [{ code, title, reason: unseen }],
    ),
  };
}
