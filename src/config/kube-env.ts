import type { Config, ConfigKey } from "./config.ts";
import { fields } from "./fields.ts";
import { fieldOf } from "./validate.ts";

/** The text of `/etc/pf9/kube.env`: every key that has an upper-case name, sorted; a key that is not set is empty. */
export function kubeEnv(config: Config): string {
  const lines = (Object.keys(fields) as ConfigKey[]).flatMap((key) =>
    fieldOf(key).aliases.map((alias) => `export ${alias}="${escape(textOf(config[key]))}"`),
  );
  return ["# Written by nodelet from its configuration; changes here are lost", ...lines.sort(), ""].join(
    "\n",
  );
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
