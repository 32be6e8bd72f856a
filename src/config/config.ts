import type { Field } from "./field.ts";
import type { fields } from "./fields.ts";

/** Name of a key of the configuration. */
export type ConfigKey = keyof typeof fields;

/**
 * The validated configuration, defaults filled in, frozen. Keys without a default are present and `undefined` when
 * they were not given. What a key means is said in `fields/`.
 */
export type Config = {
  readonly [K in ConfigKey]: (typeof fields)[K] extends Field<infer T> ? Frozen<T> : never;
};

/** A taint that the node registers with. */
export type Taint = Config["nodeTaints"][number];

type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;
