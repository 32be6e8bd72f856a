import type { z } from "zod";

/** What the table says about a key besides its schema. */
export interface FieldSpec {
  /** One line for the operator, without a final period. */
  about: string;
  /** Upper-case name in the configuration of the original nodelet and in kube.env; several when it had several. */
  alias?: string | readonly string[];
  /** The key is also a flag of `init`. */
  flag?: boolean;
  /** All nodes of a cluster have the same value: a node that joins is given it. */
  shared?: boolean;
  /** The value is a path; a relative one given as a flag is taken from the working directory. */
  path?: boolean;
  /** Turns spellings that the original took into ours, before the schema sees them. */
  adapt?: (value: unknown) => unknown;
}

/** One key of the configuration. */
export interface Field<T = unknown> {
  readonly schema: z.ZodType;
  /** Undefined means that the key is optional. */
  readonly default: T;
  readonly about: string;
  readonly aliases: readonly string[];
  readonly flag: boolean;
  readonly shared: boolean;
  readonly path: boolean;
  readonly adapt: (value: unknown) => unknown;
}

/** A key with a default, of the type that its schema gives. */
export function field<S extends z.ZodType>(
  schema: S,
  spec: FieldSpec & { default: z.output<S> },
): Field<z.output<S>> {
  return { ...common(schema, spec), default: spec.default };
}

/** A key that may be left out. */
export function optional<S extends z.ZodType>(schema: S, spec: FieldSpec): Field<z.output<S> | undefined> {
  return { ...common(schema, spec), default: undefined };
}

/** The flag of a key: `containersCidr` → `--containers-cidr`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function common(schema: z.ZodType, spec: FieldSpec): Omit<Field, "default"> {
  return {
    schema,
    about: spec.about,
    aliases: spec.alias === undefined ? [] : [spec.alias].flat(),
    flag: spec.flag ?? false,
    shared: spec.shared ?? false,
    path: spec.path ?? false,
    adapt: spec.adapt ?? ((value) => value),
  };
}
