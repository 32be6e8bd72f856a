import { resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { crossChecks } from "./checks.ts";
import type { Config, ConfigKey } from "./config.ts";
import { flagOf } from "./field.ts";
import { fields } from "./fields.ts";
import { readOverride } from "./override.ts";
import { type ConfigSource, type Given, type Layer, readSource } from "./source.ts";
import { fieldOf, pathText, validate } from "./validate.ts";

export { readConfigDir, readOverrideFile } from "./files.ts";
export type { ConfigSource } from "./source.ts";

/** What the configuration is made of. */
export interface ConfigInput {
  /** Files in the order in which later ones win; from {@linkcode readConfigDir}. */
  files?: readonly ConfigSource[];
  /**
   * Values by key, as commander gives them. They win over files. Undefined values and names that are no key are
   * left alone, so the whole object of a command can be passed.
   */
  flags?: Readonly<Record<string, unknown>>;
  /** `kube_override.env`, from {@linkcode readOverrideFile}. It wins over files and flags. */
  override?: ConfigSource | undefined;
}

/**
 * Puts the override over flags over files over defaults and checks everything. A later file replaces a key of an earlier
 * one; labels and further variables are merged.
 *
 * @throws ConfigError with every problem of every file and flag.
 */
export function loadConfig({ files = [], flags = {}, override }: ConfigInput = {}): Config {
  const layers = [...files.map(readSource), readFlags(flags), ...(override ? [readOverride(override)] : [])];
  const given = layers.flatMap((layer) => layer.given);
  const bad = new Set(layers.flatMap((layer) => layer.bad));
  const config = merge(given);
  const problems = [...layers.flatMap((layer) => layer.problems), ...checkTogether(config, { given, bad })];
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(config);
}

/** Reads flags as {@linkcode loadConfig} does; never throws, what is wrong is in `problems`. */
export function readFlags(flags: Readonly<Record<string, unknown>>): Layer {
  const layer: Layer = { given: [], bad: [], problems: [] };
  for (const key of Object.keys(fields) as ConfigKey[]) {
    const raw = Object.hasOwn(flags, key) ? flags[key] : undefined;
    if (raw === undefined) continue;
    const value = fieldOf(key).path && typeof raw === "string" && raw !== "" ? resolve(raw) : raw;
    const result = validate(key, value);
    if (result.ok) layer.given.push({ key, value: result.value, at: flagOf(key) });
    else {
      layer.bad.push(key);
      layer.problems.push(
        ...result.issues.map(({ path, message }) => `${pathText(flagOf(key), path)}: ${message}`),
      );
    }
  }
  return layer;
}

/** Keys whose maps are put together rather than replaced. */
const merged: ReadonlySet<ConfigKey> = new Set(["nodeLabels", "extraEnv"]);

function merge(given: readonly Given[]): Config {
  const keys = Object.keys(fields) as ConfigKey[];
  const values: Record<string, unknown> = Object.fromEntries(
    keys.map((key) => [key, structuredClone(fieldOf(key).default)]),
  );
  for (const { key, value } of given) {
    values[key] = merged.has(key) ? { ...(values[key] as object), ...(value as object) } : value;
  }
  // Each value passed the schema of its key, which is where the type comes from.
  return values as Config;
}

function checkTogether(
  config: Config,
  { given, bad }: { given: readonly Given[]; bad: ReadonlySet<ConfigKey> },
): string[] {
  const problems: string[] = [];
  for (const { keys, problem } of crossChecks) {
    if (keys.some((key) => bad.has(key))) continue;
    const message = problem(config);
    if (message === undefined) continue;
    const place = given.findLast(({ key }) => keys.includes(key));
    problems.push(place ? `${place.at}: ${message}` : message);
  }
  return problems;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
