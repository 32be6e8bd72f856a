import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { AppError, messageOf } from "../errors.ts";
import { ahead } from "./ahead.ts";
import { type Blob, CHUNK_SIZE } from "./index-format.ts";

/** Chunks that are read and unpacked at the same time: one for each of two cores. */
const AT_ONCE = 2;

const unpack = promisify(zstdDecompress);

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
 * The plain data of a blob, chunk by chunk. Every chunk is compared with its digest before it is unpacked, the whole with the
 * digest of the blob before it ends. Memory does not depend on the size of the blob.
 *
 * @throws AppError naming the damaged bytes of the file
 */
export async function* blobChunks(file: BlobFile, blob: Blob): AsyncGenerator<Uint8Array> {
  await using handle = await open(file.place, "r");
  const from = { handle, path: file.path };
  const whole = createHash("sha256");
  const work = (place: ChunkPlace) => plainChunk(from, place);
  for await (const chunk of ahead(placesOf(file, blob), { most: AT_ONCE, work })) {
    whole.update(chunk);
    yield chunk;
  }
  const found = whole.digest("hex");
  if (found === blob.sha256) return;
  throw new AppError(
    `Cannot use the bundle "${file.path}": content has sha256 ${found.slice(0, 16)}…; expected ${blob.sha256.slice(0, 16)}…`,
    { hint: "make the bundle again" },
  );
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
  const fail = (what: string) =>
    new AppError(`Cannot unpack bytes ${rangeText(place)} of the bundle "${file.path}": ${what}`, {
      hint: "make the bundle again",
    });
  // What would become more than the index says ends there, whatever its frames say of themselves.
  const plain = await unpack(stored, { maxOutputLength: place.plain, chunkSize: CHUNK_SIZE }).catch(
    (error) => {
      throw fail(messageOf(error));
    },
  );
  if (plain.length === place.plain) return plain;
  throw fail(`they become ${plain.length} bytes; expected ${place.plain}`);
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
