import type { IndexedEnding } from "./bundle-file.ts";
import { piecesOf } from "./compress.ts";
import type { Gaps } from "./gaps.ts";
import type { BundleEntry, PackedIndex } from "./index-format.ts";
import { digestsOf } from "./index-rules.ts";

/** A stretch of a bundle file with the digest that it must have. */
export interface Stretch {
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

/** Of content that belongs to no entry that this program knows. */
const UNKNOWN = ["content of an unknown kind"];

/** The stretches of a bundle file that have a digest, in the order of the file; without its gaps. */
export function stretchesOf(
  file: IndexedEnding & { gaps?: Gaps },
  { only, program = !only }: VerifyOptions = {},
): Stretch[] {
  const { index, trailer, gaps } = file;
  const users = usersOf(only ?? index.entries);
  const blobs = index.blobs.filter(({ sha256 }) => (!only || users.has(sha256)) && !gaps?.blobs.has(sha256));
  return [
    ...(program && !gaps?.program ? programStretches(index.program) : []),
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

function programStretches(program: PackedIndex["program"]): Stretch[] {
  if (!program) return [];
  const pieces = piecesOf({ offset: 0, size: program.size });
  return pieces.map((piece, index) => ({
    ...piece,
    sha256: program.chunks[index] ?? "",
    parts: ["program"],
  }));
}
