import { readFile } from "node:fs/promises";
import { AppError, codeOf, messageOf } from "../errors.ts";
import { writeAtomically } from "../host/atomic.ts";
import { isDigest, picked } from "./entry-rules.ts";
import type { BundleEntry, PackedIndex } from "./index-format.ts";
import { digestsOf } from "./index-rules.ts";
import { neededEntries, type NodeContent } from "./needed.ts";

/**
 * What of a bundle file is not on this node. A file that was streamed from masters is as long as theirs, with the same index and
 * the same signatures; in place of what this node has no use for it has holes, and this says which.
 */
export interface Gaps {
  /** The program before the payload is one. */
  program: boolean;
  /** Digests of the blobs that are. */
  blobs: ReadonlySet<string>;
}

/**
 * The gaps that a node may have: the program, and on a worker what only those entries are made of that it has no use for. A master has
 * all, whatever it runs itself: when the others have burned, every node that joins gets from it what it is made of.
 */
export function gapsFor(index: PackedIndex, node: NodeContent): Gaps {
  const needed = new Set(node.role === "worker" ? neededEntries(index, node) : index.entries);
  const digests = (entries: readonly BundleEntry[]) => new Set(entries.flatMap(digestsOf));
  const others = index.entries.filter((entry) => !needed.has(entry));
  return { program: index.program !== undefined, blobs: digests(others).difference(digests([...needed])) };
}

/** Entries of a bundle that cannot be read whole where it has these gaps. */
export function entriesWithGaps(entries: readonly BundleEntry[], gaps: Gaps | undefined): BundleEntry[] {
  return entries.filter((entry) => digestsOf(entry).some((digest) => gaps?.blobs.has(digest)));
}

/** Where the gaps of a bundle file are written down. */
export function gapsPath(place: string): string {
  return `${place}.gaps`;
}

/**
 * Reads the gaps of a bundle file.
 *
 * @param index digest of its index: what was written down for another file in its place says nothing of this one
 * @returns undefined for a file without any
 * @throws AppError when they cannot be read: nobody could tell content from holes then
 */
export async function readGaps(place: string, index: string): Promise<Gaps | undefined> {
  const path = gapsPath(place);
  const text = await readFile(path, "utf8").catch((error) => {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw unreadable(path, messageOf(error));
  });
  if (text === undefined) return undefined;
  const raw = picked(jsonOf(text), ["index", "program", "blobs"]);
  const { blobs } = raw;
  if (!isDigest(raw.index) || typeof raw.program !== "boolean" || !Array.isArray(blobs))
    throw unreadable(path, "it is no list of gaps");
  if (!blobs.every(isDigest)) throw unreadable(path, "it names what is no digest");
  return raw.index === index ? { program: raw.program, blobs: new Set(blobs) } : undefined;
}

/** Writes down the gaps of a bundle file. @param index digest of its index */
export async function writeGaps(
  place: string,
  { program, blobs, index }: Gaps & { index: string },
): Promise<void> {
  const text = `${JSON.stringify({ index, program, blobs: [...blobs].sort() }, null, 2)}\n`;
  await writeAtomically(gapsPath(place), text, { mode: 0o644 });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreadable(path: string, what: string): AppError {
  return new AppError(`Cannot read "${path}": ${what}`, {
    hint: "remove it and the bundle beside it, and join again, or name a bundle with --bundle FILE",
  });
}
