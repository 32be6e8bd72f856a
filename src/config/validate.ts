import type { z } from "zod";
import type { ConfigKey } from "./config.ts";
import type { Field } from "./field.ts";
import { fields } from "./fields.ts";

/** One thing wrong with a value, and where inside it. */
export interface Issue {
  path: readonly (string | number)[];
  message: string;
}

/** A value that is right, or what is wrong with it. */
export type Validated = { ok: true; value: unknown } | { ok: false; issues: readonly Issue[] };

/** What the table says about a key, without the type of its value. */
export function fieldOf(key: ConfigKey): Field {
  return fields[key];
}

/** The key that a readable name or an alias means, or undefined. */
export function keyOf(name: string): ConfigKey | undefined {
  const keys = Object.keys(fields) as ConfigKey[];
  return keys.find((key) => key === name || fieldOf(key).aliases.includes(name));
}

/** Takes a value as a file or a flag has it, numbers and booleans also as text, lists also with commas. */
export function validate(key: ConfigKey, raw: unknown): Validated {
  const { schema, adapt } = fieldOf(key);
  const result = schema.safeParse(coerce(adapt(raw), schema), { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, issues: result.error.issues.map(toIssue) };
}

/** `nodeTaints` and `[0, "effect"]` → `nodeTaints[0].effect`. */
export function pathText(name: string, path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, step) => text + (typeof step === "number" ? `[${step}]` : `.${step}`),
    name,
  );
}

function toIssue(issue: z.core.$ZodIssue): Issue {
  const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  // For a bad key zod puts what is wrong one level down.
  const message = issue.code === "invalid_key" ? issue.issues[0]?.message : undefined;
  return { path, message: message ?? issue.message };
}

/** The original took `"true"`, `"60"` and comma lists; so do files and flags here. */
function coerce(value: unknown, schema: z.ZodType): unknown {
  const type = schema.def.type;
  if (typeof value === "number" || typeof value === "boolean") {
    return type === "string" || type === "enum" ? String(value) : value;
  }
  if (typeof value !== "string") return value;
  if (type === "boolean") return /^(true|false)$/i.test(value) ? value.toLowerCase() === "true" : value;
  if (type === "number") return /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  if (type === "array") return splitList(value);
  if (type === "record") return splitMap(value);
  return value;
}

function splitList(value: string): string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function splitMap(value: string): unknown {
  const pairs = splitList(value).map((item) => /^([^=]*)=(.*)$/.exec(item));
  if (!pairs.every((match) => match !== null)) return value;
  return Object.fromEntries(pairs.map((match) => [match[1], match[2]]));
}
