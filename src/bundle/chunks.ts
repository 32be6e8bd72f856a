import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { frameContentSize } from "./frame.ts";
import { type Blob, CHUNK_SIZE } from "./index-format.ts";

/** Chunks that are read and unpacked ahead of the one in use: one for each of two cores. */
const AHEAD = 2;

/** A bundle file as blobs are read from it. It is opened for every blob anew, so nobody has to close it. */
export interface BlobFile {
  /** What is opened; of the running program a name that stays good when its file is replaced. */
  place: string;
  /** For messages. */
  path: string;
  /** Where the payload begins. */
  payloadOffset: number;
}

/** An open file, with its name for messages. */
export interface OpenFile {
  handle: FileHandle;
  path: string;
}

/** A chunk's place in its file. */
interface ChunkPlace {
  /** Bytes from the start of the file. */
  at: number;
  stored: number;
  sha256: string;
  plain: number;
}

/**
 * The plain data of a blob, chunk by chunk. Every chunk is compared with its digest before it is unpacked, and some are
 * unpacked ahead, so memory does not depend on the size of the blob.
 *
 * @throws AppError naming the damaged bytes of the file
 */
export async function* blobChunks(file: BlobFile, blob: Blob): AsyncGenerator<Uint8Array> {
  await using handle = await open(file.place, "r");
  const from = { handle, path: file.path };
  const places = placesOf(file, blob);
  const coming: Promise<Uint8Array>[] = [];
  try {
    for (let next = 0; next < places.length || coming.length > 0;) {
      while (coming.length <= AHEAD && next < places.length) {
        const chunk = plainChunk(from, places[next++] as ChunkPlace);
        // Seen when it is its turn.
        chunk.catch(() => {});
        coming.push(chunk);
      }
      yield await (coming.shift() as Promise<Uint8Array>);
    }
  } finally {
    // A reader that ends early leaves nobody to see how these end.
    await Promise.allSettled(coming);
  }
}

function placesOf(file: BlobFile, blob: Blob): ChunkPlace[] {
  let at = file.payloadOffset + blob.offset;
  return blob.chunks.map(([stored, sha256], index) => {
    const plain = Math.min(CHUNK_SIZE, blob.size - index * CHUNK_SIZE);
    const place = { at, stored, sha256, plain };
    at += stored;
    return place;
  });
}

async function plainChunk(file: OpenFile, place: ChunkPlace): Promise<Uint8Array> {
  const stored = await readRange(file, { at: place.at, size: place.stored });
  const found = createHash("sha256").update(stored).digest("hex");
  if (found !== place.sha256) throw damaged(file.path, place);
  const size = frameContentSize(stored);
  if (size !== place.plain) {
    throw new AppError(
      `Cannot unpack bytes ${rangeText(place)} of the bundle "${file.path}": they would become ${size ?? "an unknown number of"} bytes; expected ${place.plain}`,
      { hint: "make the bundle again" },
    );
  }
  return await Bun.zstdDecompress(stored);
}

/** Reads a range of a file. @throws AppError when the file ends before */
export async function readRange(
  { handle, path }: OpenFile,
  { at, size }: { at: number; size: number },
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let read = 0; read < size;) {
    const { bytesRead } = await handle.read(bytes, read, size - read, at + read);
    if (bytesRead === 0) throw damaged(path, { at: at + read, stored: size - read });
    read += bytesRead;
  }
  return bytes;
}

function damaged(path: string, place: { at: number; stored: number }): AppError {
  return new AppError(`Cannot use the bundle "${path}": bytes ${rangeText(place)} are damaged or missing`, {
    hint: "copy it again; nodelet bundle verify names everything that is damaged",
  });
}

/** `4096-8191`: first and last byte. */
export function rangeText({ at, stored }: { at: number; stored: number }): string {
  return `${at}-${at + stored - 1}`;
}
