import type { Config, ConfigKey } from "./config.ts";
import { fields } from "./fields.ts";
import { fieldOf } from "./validate.ts";

/**
 * The configuration as environment of programs: every key that has an upper-case name, sorted, and the further variables
 * of the site; a key that is not set is empty.
 */
export function kubeVariables(config: Config): Record<string, string> {
  const keys = (Object.keys(fields) as ConfigKey[]).flatMap((key) =>
    fieldOf(key).aliases.map((alias) => [alias, textOf(config[key])] as const),
  );
  const pairs = [...Object.entries(config.extraEnv), ...keys];
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The text of `/etc/pf9/kube.env`, for a shell to read. */
export function kubeEnv(config: Config): string {
  const lines = Object.entries(kubeVariables(config)).map(
    ([name, value]) => `export ${name}="${escape(value)}"`,
  );
  return ["# Written by nodelet from its configuration; changes here are lost", ...lines, ""].join("\n");
}

function textOf(value: Config[ConfigKey]): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.join(",");
  return String(value);
}

/** For the inside of double quotes, where a shell and systemd both know these escapes. */
function escape(text: string): string {
  return text.replace(/["\\$`]/g, "\\$&");
}
