import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { BundleFile } from "./bundle-file.ts";
import { type OpenFile, readRange } from "./chunks.ts";
import { type BundleEntry, CHUNK_SIZE } from "./index-format.ts";
import { digestsOf } from "./index-rules.ts";

/** A damaged stretch of a bundle file. */
export interface Damage {
  /** First and last byte, from the start of the file. */
  first: number;
  last: number;
  /** What it is part of: names of entries, or `program`. */
  parts: string[];
}

/** A stretch of the file with the digest that it must have. */
interface Stretch {
  at: number;
  size: number;
  sha256: string;
  parts: string[];
}

/** How a file is verified. */
export interface VerifyOptions {
  /** Only what these entries are made of, without the program before the payload. All, when absent. */
  only?: readonly BundleEntry[];
  /** Told of every stretch that was read, in bytes. */
  onBytes?: (bytes: number) => void;
}

/**
 * Reads a bundle file from its beginning to its end and compares every stretch with its digest. Reading goes on after damage, so that all of
 * it is known.
 *
 * @returns the damaged stretches; neighbours with the same parts are one
 */
export async function verifyBundleFile(file: BundleFile, options: VerifyOptions = {}): Promise<Damage[]> {
  await using handle = await open(file.place, "r");
  const from = { handle, path: file.path };
  const stretches = stretchesOf(file, options.only);
  const damage: Damage[] = [];
  // One read ahead: the disk works while digests are made.
  let coming: Promise<Buffer | undefined> = read(from, stretches[0]);
  for (const [index, stretch] of stretches.entries()) {
    const bytes = await coming;
    coming = read(from, stretches[index + 1]);
    if (!bytes || createHash("sha256").update(bytes).digest("hex") !== stretch.sha256) add(damage, stretch);
    options.onBytes?.(stretch.size);
  }
  await coming;
  return damage;
}

/** Bytes that {@linkcode verifyBundleFile} reads. */
export function bytesToVerify(file: BundleFile, only?: readonly BundleEntry[]): number {
  return stretchesOf(file, only).reduce((sum, { size }) => sum + size, 0);
}

async function read(from: OpenFile, stretch: Stretch | undefined): Promise<Buffer | undefined> {
  // What cannot be read is damaged too.
  return stretch && (await readRange(from, stretch).catch(() => undefined));
}

function stretchesOf({ index, trailer }: BundleFile, only?: readonly BundleEntry[]): Stretch[] {
  const users = new Map<string, string[]>();
  for (const entry of only ?? index.entries)
    for (const digest of digestsOf(entry)) users.set(digest, [...(users.get(digest) ?? []), entry.name]);
  const program = only ? [] : programStretches(index.program);
  const blobs = index.blobs.filter(({ sha256 }) => !only || users.has(sha256));
  return [
    ...program,
    ...blobs.flatMap((blob) => {
      let at = trailer.payloadOffset + blob.offset;
      return blob.chunks.map(([size, sha256]) => {
        const stretch = { at, size, sha256, parts: users.get(blob.sha256) ?? ["nothing"] };
        at += size;
        return stretch;
      });
    }),
  ];
}

function programStretches(program: BundleFile["index"]["program"]): Stretch[] {
  return (program?.chunks ?? []).map((sha256, index) => {
    const at = index * CHUNK_SIZE;
    return { at, size: Math.min(CHUNK_SIZE, (program?.size ?? 0) - at), sha256, parts: ["program"] };
  });
}

function add(damage: Damage[], { at, size, parts }: Stretch): void {
  const before = damage.at(-1);
  if (before && before.last === at - 1 && before.parts.join() === parts.join()) before.last = at + size - 1;
  else damage.push({ first: at, last: at + size - 1, parts });
}
