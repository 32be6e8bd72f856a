import { z } from "zod";
import { type Check, isDnsName, list, oneOf, quote, text } from "./grammar.ts";

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Checks the key of a label or taint: `name` or `prefix/name`. */
export const checkLabelKey: Check = (key) => {
  const parts = key.split("/");
  const name = parts.at(-1) ?? "";
  const prefixed = parts.length === 1 || (parts.length === 2 && isDnsName(parts[0] ?? ""));
  if (prefixed && NAME.test(name)) return undefined;
  return `${quote(key)} is not a label key; expected name or prefix/name, for example example.com/rack`;
};

/** Checks the value of a label or taint. */
export const checkLabelValue: Check = (value) =>
  value === "" || NAME.test(value)
    ? undefined
    : `${quote(value)} is not a label value; expected at most 63 letters, digits, '-', '_' and '.', ` +
      "a letter or digit at both ends";

/** A map of labels. */
export function labels() {
  return z.record(
    text(checkLabelKey, { expected: "a label key" }),
    text(checkLabelValue, { expected: "a label value" }),
    { error: (issue) => `${quote(issue.input)} is not a map of labels; expected name: value` },
  );
}

/** A list of taints. */
export function taints() {
  return list(
    z.strictObject(
      {
        key: text(checkLabelKey, { expected: "a label key" }),
        value: text(checkLabelValue, { expected: "a label value" }).default(""),
        effect: oneOf(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
      },
      {
        error: (issue) => `${quote(issue.input)} is not a taint; expected key, value and effect`,
      },
    ),
  );
}

/** Takes taints as `kubectl taint` writes them, `key=value:Effect`; what has another form is left for the schema. */
export function adaptTaints(value: unknown): unknown {
  const items = typeof value === "string" ? value.split(",").filter((item) => item !== "") : value;
  if (!Array.isArray(items)) return items;
  return items.map((item: unknown) => {
    const match = typeof item === "string" ? /^([^=:]+)(?:=([^:]*))?:(.*)$/.exec(item) : null;
    return match ? { key: match[1], value: match[2] ?? "", effect: match[3] } : item;
  });
}

/** Component flags, each `--name=value`. */
export function componentFlags() {
  const check: Check = (flag) =>
    // These characters would change meaning on the way through units and environment files.
    /^--[a-z][a-z0-9-]*=[^\p{Cc}\s"'\\`$]*$/u.test(flag)
      ? undefined
      : `${quote(flag)} is not a flag; expected --name=value without spaces, quotes, '\\' and '$'`;
  return list(text(check, { expected: "--name=value" }));
}

/** Splits the original's comma list where a new flag begins: values may have commas of their own. */
export function adaptFlags(value: unknown): unknown {
  if (typeof value !== "string") return value;
  return value
    .split(/,\s*(?=--)/)
    .map((flag) => flag.trim())
    .filter((flag) => flag !== "");
}
