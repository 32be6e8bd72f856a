import { ExitCode, UsageError } from "../errors.ts";
import { allCodes } from "../preflight/codes.ts";
import { explain, type Explained, nearestCodes } from "../preflight/explain/index.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { wrapText } from "./wrap.ts";

const LEVELS = { error: "failure", warning: "warning" } as const;

/** `nodelet explain [CODE]`: what a finding of preflight means, offline. @throws UsageError for a code that there is not */
export function explainCode(
  io: Io,
  { options, code }: { options: { output: OutputFormat }; code: string | undefined },
): number {
  if (code === undefined) {
    const rows = allCodes.map((one) => [one.code, LEVELS[one.level], one.title]);
    const result = allCodes.map(({ level, ...rest }) => ({ ...rest, level: LEVELS[level] }));
    const table = { columns: ["CODE", "LEVEL", "EXPECTED"], rows };
    showResult(io, { format: options.output, result, table });
    return ExitCode.ok;
  }
  const found = explain(code);
  if (!found) {
    throw new UsageError(`Cannot explain "${code}": there is no such code; expected one of nodelet explain`, {
      hint: `did you mean ${nearestCodes(code).join(", ")}?`,
    });
  }
  const result = { ...found, level: LEVELS[found.level] };
  showResult(io, { format: options.output, result, table: page(found) });
  return ExitCode.ok;
}

function page(about: Explained): string {
  const { code, level, title, checked, why, ways, init } = about;
  const steps = ways.map((way) =>
    way.map((step, at) => wrapText(step, { first: `  ${at + 1}. `, others: "     " })).join(""),
  );
  return [
    `${code} (${LEVELS[level]})\nExpected: ${title}\n`,
    section("What is checked", checked),
    section("Why it matters", why),
    `What to do\n${steps.join("  or\n")}`,
    ...(init ? [section("What init does by itself", init)] : []),
  ].join("\n");
}

function section(head: string, text: string): string {
  return `${head}\n${wrapText(text, { first: "  ", others: "  " })}`;
}
