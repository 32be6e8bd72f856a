import { checkBundle } from "../bundle/bundle.ts";
import type { Finding } from "../errors.ts";
import type { Check, CheckInput, Plan } from "./check.ts";
import { checks } from "./checks.ts";
import { look } from "./look.ts";
import type { HostProbe } from "./probe.ts";

/** What preflight works on. */
export interface PreflightOptions extends Plan {
  probe: HostProbe;
}

/** All that was found; init goes on when there are no errors. */
export interface PreflightReport {
  errors: Finding[];
  warnings: Finding[];
}

/**
 * Checks the host, the plan and the bundle before the first change. Looks at everything at once, then judges, and
 * reports all findings together in the order of the table of checks.
 */
export async function runPreflight({ probe, ...plan }: PreflightOptions): Promise<PreflightReport> {
  const os = probe.os();
  if (os !== "linux") return { errors: [notLinux(os)], warnings: [] };
  const facts = await look(probe, plan);
  const missing = new Set(facts.missing);
  const bundle = await checkBundle(plan.bundle, {
    platform: plan.node.platform,
    use: (entry) => missing.has(entry),
  });
  const input: CheckInput = { ...plan, facts };
  const found = (level: Check["level"]) =>
    checks.filter((check) => check.level === level).flatMap((check) => findings(check, input));
  return { errors: [...found("error"), ...bundle], warnings: found("warning") };
}

/** Nothing else can be asked of such a host. */
function notLinux(os: string): Finding {
  return {
    code: "NotLinux",
    message: `This host runs ${os}; expected linux`,
    hint: "use a Linux host with systemd",
  };
}

function findings(check: Check, input: CheckInput): Finding[] {
  return check.run(input).map((problem) => ({ code: check.code, ...problem }));
}
