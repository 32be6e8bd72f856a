import { createHash } from "node:crypto";
import { CHUNK_SIZE } from "./index-format.ts";
import type { Stretch } from "./stretches.ts";

/** What is asked for at once: neighbouring stretches, each with a digest of its own. */
export interface Piece {
  at: number;
  size: number;
  stretches: readonly Stretch[];
}

/**
 * Joins neighbouring stretches, as a bundle has hundreds of small ones; none of the pieces is larger than a chunk, as far as its
 * stretches are not.
 *
 * @param stretches in the order of the file
 */
export function joined(stretches: readonly Stretch[]): Piece[] {
  const pieces: { at: number; size: number; stretches: Stretch[] }[] = [];
  for (const stretch of stretches) {
    const last = pieces.at(-1);
    if (last && last.at + last.size === stretch.at && last.size + stretch.size <= CHUNK_SIZE) {
      last.size += stretch.size;
      last.stretches.push(stretch);
    } else pieces.push({ at: stretch.at, size: stretch.size, stretches: [stretch] });
  }
  return pieces;
}

/** The first stretch of a piece whose bytes have not its digest. */
export function wrongStretch(bytes: Buffer, piece: Piece): Stretch | undefined {
  return piece.stretches.find(({ at, size, sha256 }) => {
    const from = at - piece.at;
    return (
      createHash("sha256")
        .update(bytes.subarray(from, from + size))
        .digest("hex") !== sha256
    );
  });
}
