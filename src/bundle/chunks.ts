import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { zstdDecompressSync } from "node:zlib";
import { AppError, messageOf } from "../errors.ts";
import { ahead } from "./ahead.ts";
import { type Blob, CHUNK_SIZE } from "./index-format.ts";

/** The chunk that is in use, and one being read. */
const AT_ONCE = 2;

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

/** Bytes by their place, whoever has them: a file, or another node. */
export interface ByteReader {
  /** For messages. */
  path: string;
  /** All bytes of a range. @throws AppError when there are fewer */
  read(range: { at: number; size: number }): Promise<Buffer>;
}

/** An open file as a reader. */
export function fileReader(file: OpenFile): ByteReader {
  return { path: file.path, read: (range) => readRange(file, range) };
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
 * The plain data of a blob, chunk by chunk; each is good until the next one is asked for. Every chunk is compared with its digest
 * before it is unpacked, the whole with the digest of the blob before it ends. Memory does not depend on the size of the blob.
 *
 * @throws AppError naming the damaged bytes of the file
 */
export async function* blobChunks(file: BlobFile, blob: Blob): AsyncGenerator<Uint8Array> {
  await using handle = await open(file.place, "r");
  const from = { handle, path: file.path };
  const whole = createHash("sha256");
  const read = async (place: ChunkPlace) => ({ place, stored: await readChunk(from, place) });
  for await (const { place, stored } of ahead(placesOf(file, blob), { most: AT_ONCE, work: read })) {
    const chunk = unpack(stored, { place, path: file.path });
    release(stored);
    whole.update(chunk);
    yield chunk;
    release(chunk);
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

async function readChunk(file: OpenFile, place: ChunkPlace): Promise<Buffer> {
  const stored = await readRange(file, { at: place.at, size: place.stored });
  if (createHash("sha256").update(stored).digest("hex") === place.sha256) return stored;
  throw damaged(file.path, place);
}

function unpack(stored: Buffer, { place, path }: { place: ChunkPlace; path: string }): Buffer {
  const fail = (what: string) =>
    new AppError(`Cannot unpack bytes ${rangeText(place)} of the bundle "${path}": ${what}`, {
      hint: "make the bundle again",
    });
  try {
    // What would become more than the index says ends there, whatever its frames say of themselves.
    const limits = { maxOutputLength: place.plain, chunkSize: Math.max(64, place.plain) };
    const plain = zstdDecompressSync(stored, limits);
    if (plain.length === place.plain) return plain;
    throw fail(`they become ${plain.length} bytes; expected ${place.plain}`);
  } catch (error) {
    throw error instanceof AppError ? error : fail(messageOf(error));
  }
}

/**
 * Gives the memory of bytes that nobody uses any more back at once. The garbage collector would let hundreds of megabytes of such
 * pieces come together, measured: it hardly counts what is outside of its own heap.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  // A small piece may share its memory with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer(0);
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
