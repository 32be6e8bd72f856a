import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { ahead } from "./ahead.ts";
import { readRange, release } from "./chunks.ts";
import { type Blob, CHUNK_SIZE } from "./index-format.ts";

/** A stretch of a file as content. */
export interface PlainRange {
  file: string;
  /** Bytes from the start of the file. */
  offset: number;
  size: number;
  /** Lower-case hex digest of the stretch. */
  sha256: string;
}

/** Chunks that are compressed at the same time: one for each of two cores, and one being read or written. */
const AT_ONCE = 3;

/** Digest of a stretch of a file. */
export async function digestOfRange(range: Omit<PlainRange, "sha256">): Promise<string> {
  await using handle = await open(range.file, "r");
  const hash = createHash("sha256");
  for (const piece of piecesOf(range)) {
    const bytes = await readRange({ handle, path: range.file }, piece);
    hash.update(bytes);
    release(bytes);
  }
  return hash.digest("hex");
}

/**
 * Compresses a stretch chunk by chunk and writes it.
 *
 * @param to `at`: where in the file it goes; `origin`: where the payload begins
 * @returns its line in the index
 * @throws AppError when the stretch has changed since its digest was made
 */
export async function packBlob(
  range: PlainRange,
  to: { handle: FileHandle; at: number; origin: number; level: number },
): Promise<Blob> {
  await using handle = await open(range.file, "r");
  const plain = createHash("sha256");
  const whole = createHash("sha256");
  const chunks: Blob["chunks"] = [];
  let at = to.at;
  const work = async (piece: { at: number; size: number }) => {
    const bytes = await readRange({ handle, path: range.file }, piece);
    return { bytes, stored: await Bun.zstdCompress(bytes, { level: to.level }) };
  };
  for await (const { bytes, stored } of ahead(piecesOf(range), { most: AT_ONCE, work })) {
    await writeAll(to.handle, { bytes: stored, at });
    plain.update(bytes);
    whole.update(stored);
    chunks.push([stored.length, createHash("sha256").update(stored).digest("hex")]);
    at += stored.length;
    release(bytes);
    release(stored);
  }
  const { sha256, size } = range;
  if (plain.digest("hex") !== sha256) {
    throw new AppError(`Cannot take "${range.file}" into a bundle: it changed while it was read`, {
      hint: "run the command again when nobody writes there",
    });
  }
  return {
    sha256,
    size,
    offset: to.at - to.origin,
    stored: at - to.at,
    storedSha256: whole.digest("hex"),
    chunks,
  };
}

/** Writes bytes at a place of a file, all of them. */
export async function writeAll(handle: FileHandle, part: { bytes: Uint8Array; at: number }): Promise<void> {
  for (let written = 0; written < part.bytes.length;) {
    const { bytesWritten } = await handle.write(
      part.bytes,
      written,
      part.bytes.length - written,
      part.at + written,
    );
    written += bytesWritten;
  }
}

/** The chunks of a stretch, as places in its file. */
export function piecesOf({
  offset,
  size,
}: Pick<PlainRange, "offset" | "size">): { at: number; size: number }[] {
  return Array.from({ length: Math.ceil(size / CHUNK_SIZE) }, (_, index) => ({
    at: offset + index * CHUNK_SIZE,
    size: Math.min(CHUNK_SIZE, size - index * CHUNK_SIZE),
  }));
}
