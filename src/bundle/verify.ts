import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { ahead } from "./ahead.ts";
import type { BundleFile } from "./bundle-file.ts";
import { readRange, release } from "./chunks.ts";
import { type Stretch, stretchesOf, type VerifyOptions } from "./stretches.ts";

/** A damaged stretch of a bundle file. */
export interface Damage {
  /** First and last byte, from the start of the file. */
  first: number;
  last: number;
  /** What it is part of: names of entries, or `program`. */
  parts: readonly string[];
}

/** The stretch that is compared, and one being read: the disk works while digests are made. */
const AT_ONCE = 2;

/**
 * Reads a bundle file from its beginning to its end and compares every stretch with its digest; its gaps are passed over. Reading goes on
 * after damage, so that all of it is known.
 *
 * @param options `onBytes`: told of every stretch that was read, in bytes
 * @returns the damaged stretches; neighbours with the same parts are one
 */
export async function verifyBundleFile(
  file: BundleFile,
  options: VerifyOptions & { onBytes?: (bytes: number) => void } = {},
): Promise<Damage[]> {
  const damage: Damage[] = [];
  for (const stretch of await wrongStretches(file, { ...options, stretches: stretchesOf(file, options) }))
    add(damage, stretch);
  return damage;
}

/**
 * Compares stretches of a file with their digests.
 *
 * @param file `place`: what is opened; `path`: its name for messages
 * @param options `onBytes`: told of every stretch that was read, in bytes
 * @returns those that have other bytes, or cannot be read
 */
export async function wrongStretches(
  file: { place: string; path: string },
  options: { stretches: readonly Stretch[]; onBytes?: (bytes: number) => void },
): Promise<Stretch[]> {
  await using handle = await open(file.place, "r");
  const wrong: Stretch[] = [];
  const work = async (stretch: Stretch) => {
    const bytes = await readRange({ handle, path: file.path }, stretch).catch(() => undefined);
    return { stretch, bytes };
  };
  for await (const { stretch, bytes } of ahead(options.stretches, { most: AT_ONCE, work })) {
    if (!bytes || createHash("sha256").update(bytes).digest("hex") !== stretch.sha256) wrong.push(stretch);
    if (bytes) release(bytes);
    options.onBytes?.(stretch.size);
  }
  return wrong;
}

/** Bytes that {@linkcode verifyBundleFile} reads. */
export function bytesToVerify(file: BundleFile, options: VerifyOptions = {}): number {
  return stretchesOf(file, options).reduce((sum, { size }) => sum + size, 0);
}

function add(damage: Damage[], { at, size, parts }: Stretch): void {
  const before = damage.at(-1);
  if (before && before.last === at - 1 && before.parts.join() === parts.join()) before.last = at + size - 1;
  else damage.push({ first: at, last: at + size - 1, parts });
}
