import type { ConfigKey } from "./config.ts";
import { flagOf } from "./field.ts";
import { fields } from "./fields.ts";
import { fieldOf } from "./validate.ts";

/** A flag of `init`, in commander's words. */
export interface ConfigFlag {
  key: ConfigKey;
  /** For example `--api-port <number>`. */
  flags: string;
  description: string;
}

const VALUE: Readonly<Record<string, string>> = {
  boolean: "[boolean]",
  number: "<number>",
  array: "<list>",
  record: "<map>",
};

/**
 * The keys that are flags too. Commander names the value of each after the key, and a boolean flag without a value is
 * true, so its options object can go to `loadConfig` as it is.
 */
export function configFlags(): ConfigFlag[] {
  return (Object.keys(fields) as ConfigKey[])
    .filter((key) => fieldOf(key).flag)
    .map((key) => {
      const { schema, about } = fieldOf(key);
      return { key, flags: `${flagOf(key)} ${VALUE[schema.def.type] ?? "<value>"}`, description: about };
    });
}
