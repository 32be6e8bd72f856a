import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { ahead } from "./ahead.ts";
import type { BundleFile } from "./bundle-file.ts";
import { readRange, release } from "./chunks.ts";
import { piecesOf } from "./compress.ts";
import type { BundleEntry } from "./index-format.ts";
import { digestsOf } from "./index-rules.ts";

/** A damaged stretch of a bundle file. */
export interface Damage {
  /** First and last byte, from the start of the file. */
  first: number;
  last: number;
  /** What it is part of: names of entries, or `program`. */
  parts: readonly string[];
}

/** A stretch of the file with the digest that it must have. */
interface Stretch {
  at: number;
  size: number;
  sha256: string;
  parts: readonly string[];
}

/** What of a file is verified. */
export interface VerifyOptions {
  /** Only what these entries are made of. All, when absent. */
  only?: readonly BundleEntry[];
  /** The program before the payload too. @default when all entries are */
  program?: boolean;
}

/** The stretch that is compared, and one being read: the disk works while digests are made. */
const AT_ONCE = 2;

/** Of content that belongs to no entry that this program knows. */
const UNKNOWN = ["content of an unknown kind"];

/**
 * Reads a bundle file from its beginning to its end and compares every stretch with its digest. Reading goes on after damage, so that all of
 * it is known.
 *
 * @param options `onBytes`: told of every stretch that was read, in bytes
 * @returns the damaged stretches; neighbours with the same parts are one
 */
export async function verifyBundleFile(
  file: BundleFile,
  options: VerifyOptions & { onBytes?: (bytes: number) => void } = {},
): Promise<Damage[]> {
  await using handle = await open(file.place, "r");
  const damage: Damage[] = [];
  const work = async (stretch: Stretch) => {
    // What cannot be read is damaged too.
    const bytes = await readRange({ handle, path: file.path }, stretch).catch(() => undefined);
    return { stretch, bytes };
  };
  for await (const { stretch, bytes } of ahead(stretchesOf(file, options), { most: AT_ONCE, work })) {
    if (!bytes || createHash("sha256").update(bytes).digest("hex") !== stretch.sha256) add(damage, stretch);
    if (bytes) release(bytes);
    options.onBytes?.(stretch.size);
  }
  return damage;
}

/** Bytes that {@linkcode verifyBundleFile} reads. */
export function bytesToVerify(file: BundleFile, options: VerifyOptions = {}): number {
  return stretchesOf(file, options).reduce((sum, { size }) => sum + size, 0);
}

function stretchesOf(file: BundleFile, { only, program = !only }: VerifyOptions): Stretch[] {
  const { index, trailer } = file;
  const users = usersOf(only ?? index.entries);
  const blobs = index.blobs.filter(({ sha256 }) => !only || users.has(sha256));
  return [
    ...(program ? programStretches(index.program) : []),
    ...blobs.flatMap((blob) => {
      const parts = users.get(blob.sha256) ?? UNKNOWN;
      let at = trailer.payloadOffset + blob.offset;
      return blob.chunks.map(([size, sha256]) => {
        const stretch = { at, size, sha256, parts };
        at += size;
        return stretch;
      });
    }),
  ];
}

/** Names of the entries that are made of each blob. */
function usersOf(entries: readonly BundleEntry[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const entry of entries) {
    for (const digest of new Set(digestsOf(entry))) {
      const names = users.get(digest);
      if (names) names.push(entry.name);
      else users.set(digest, [entry.name]);
    }
  }
  return users;
}

function programStretches(program: BundleFile["index"]["program"]): Stretch[] {
  if (!program) return [];
  const pieces = piecesOf({ offset: 0, size: program.size });
  return pieces.map((piece, index) => ({
    ...piece,
    sha256: program.chunks[index] ?? "",
    parts: ["program"],
  }));
}

function add(damage: Damage[], { at, size, parts }: Stretch): void {
  const before = damage.at(-1);
  if (before && before.last === at - 1 && before.parts.join() === parts.join()) before.last = at + size - 1;
  else damage.push({ first: at, last: at + size - 1, parts });
}
