import type { BundleEntry, RuntimeLinkEntry } from "../../src/bundle/index-format.ts";
import type { Cache } from "../lib/cache.ts";

/** A file of the stack together with its line of the index, all but what is measured on the file. */
export interface Artefact {
  /** The file, somewhere outside the stack directory. */
  file: string;
  entry: DistributiveOmit<BundleEntry, "size" | "sha256"> & { path: string };
}

/** `Omit` that keeps the members of a union apart. */
export type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** What one recipe gave. */
export interface Produced {
  artefacts: Artefact[];
  /** Further names of files of the runtime. */
  links?: RuntimeLinkEntry[];
  /** True when nothing had to be made or fetched. */
  hit: boolean;
  /** Why there is nothing, when the machine lacks a means that is allowed to be missing. */
  leftOut?: string;
}

/** One group of artefacts that come to be together. */
export interface Recipe {
  /** What it gives, in a few words. */
  title: string;
  /** @throws When the result cannot be made; the message says what is missing. */
  produce(cache: Cache): Promise<Produced>;
}

/**
 * Where the artefacts of a stack come from. Packages of a distribution are one such place; a registry with official
 * images and a download site with official binaries would be another, with the same index as the result.
 */
export interface Source {
  /** For a person: what this is, and which version. */
  describe(): string;
  /** All recipes of a complete stack, in the order that is best for the machine. */
  recipes(): Recipe[];
}
