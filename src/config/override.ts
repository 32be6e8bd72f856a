import type { ConfigKey } from "./config.ts";
import { checkEnvName, checkEnvValue } from "./env-names.ts";
import { quote } from "./grammar.ts";
import type { ConfigSource, Layer } from "./source.ts";
import { keyOf, pathText, validate } from "./validate.ts";

/** A line of the file, read. */
type Line = { name: string; value: string } | { problem: string } | undefined;

/**
 * Reads `kube_override.env`: lines `[export ]KEY=value`, as a shell would, but without anything that a shell would expand.
 * A name that a key of the configuration has as its alias sets that key; any other is a further variable for kube.env.
 */
export function readOverride({ path, text, problems = [] }: ConfigSource): Layer {
  const layer: Layer = { given: [], bad: [], problems: [...problems] };
  const seen = new Map<string, { name: string; value: string }>();
  for (const [at, raw] of text.split("\n").entries()) {
    const where = `${path}:${at + 1}`;
    const line = readLine(raw);
    if (!line) continue;
    const problem = "problem" in line ? line.problem : checkEnvName(line.name);
    if (problem !== undefined || "problem" in line) {
      layer.problems.push(`${where}: ${problem}`);
      continue;
    }
    const key = keyOf(line.name);
    const earlier = seen.get(key ?? line.name);
    if (earlier !== undefined) {
      // kube.env has some values under two names.
      if (earlier.value !== line.value)
        layer.problems.push(`${where}: ${line.name}: given already as ${earlier.name}; expected one value`);
      continue;
    }
    seen.set(key ?? line.name, line);
    if (key) readKey(layer, { key, where, ...line });
    else readVariable(layer, { where, ...line });
  }
  return layer;
}

function readKey(
  layer: Layer,
  { key, where, name, value }: { key: ConfigKey; where: string; name: string; value: string },
): void {
  // kube.env has every key, those that are not set without a value; a line taken from there must not set them.
  if (value === "") return;
  const result = validate(key, value);
  if (result.ok) {
    layer.given.push({ key, value: result.value, at: `${where}: ${name}` });
    return;
  }
  layer.bad.push(key);
  for (const issue of result.issues)
    layer.problems.push(`${where}: ${pathText(name, issue.path)}: ${issue.message}`);
}

function readVariable(
  layer: Layer,
  { where, name, value }: { where: string; name: string; value: string },
): void {
  const problem = checkEnvValue(value);
  if (problem === undefined)
    layer.given.push({ key: "extraEnv", value: { [name]: value }, at: `${where}: ${name}` });
  else layer.problems.push(`${where}: ${name}: ${problem}`);
}

function readLine(raw: string): Line {
  if (raw.endsWith("\r"))
    return { problem: "the line ends with a carriage return; expected a line feed alone" };
  if (/[^\P{Cc}\t]/u.test(raw)) return { problem: "the line has a control character; expected plain text" };
  if (/^\s*(#|$)/.test(raw)) return undefined;
  const [, name = "", rest] = /^\s*(?:export\s+)?([^\s=]*)(?:=(.*))?/.exec(raw) ?? [];
  // The line may hold a secret, so no more of it is shown than its first word.
  if (rest === undefined) return { problem: `${quote(name)} is not followed by "="; expected KEY=value` };
  const value = readValue(rest);
  return typeof value === "string" ? { name, value } : { problem: `${name}: ${value.problem}` };
}

/** The value behind `=`, quotes and escapes taken off. Nothing but a comment may follow it. */
function readValue(rest: string): string | { problem: string } {
  const match = /^('(?<single>[^']*)'|"(?<double>([^"\\]|\\.)*)"|(?<plain>[^\s'"]*))(\s+#.*|\s*)$/.exec(rest);
  if (!match?.groups) {
    const problem = /^['"]/.test(rest)
      ? `the value does not end with its quote; expected one ${rest[0]} at its end and nothing behind it`
      : "the value has a space or a quote in it; expected quotes around the whole value";
    return { problem };
  }
  const { single, double, plain } = match.groups;
  if (single !== undefined) return single;
  if (plain !== undefined) {
    return /^[\w@%+=:,./-]*$/.test(plain)
      ? plain
      : { problem: "the value has a character that a shell acts on; expected single quotes around it" };
  }
  const text = double ?? "";
  if (/(^|[^\\])(\\\\)*[$`]/.test(text)) {
    const problem = "the value has a $ or ` that a shell expands; expected \\ before it, or single quotes";
    return { problem };
  }
  return text.replace(/\\(["\\$`])/g, "$1");
}
