import type { Config, ConfigKey } from "./config.ts";
import { fields } from "./fields.ts";
import { fieldOf } from "./validate.ts";

/** What all nodes of a cluster must have in common, where it is not the default. A node that joins is given it. */
export function sharedConfig(config: Config): Partial<Record<ConfigKey, unknown>> {
  const keys = (Object.keys(fields) as ConfigKey[]).filter((key) => fieldOf(key).shared);
  return Object.fromEntries(
    keys.filter((key) => !Bun.deepEquals(config[key], fieldOf(key).default)).map((key) => [key, config[key]]),
  );
}
