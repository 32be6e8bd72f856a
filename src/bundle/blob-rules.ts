import { isDigest, isSize, picked, type Raw } from "./entry-rules.ts";
import { type Blob, CHUNK_SIZE, type PackedIndex } from "./index-format.ts";
import { quoted } from "./quoted.ts";

const FIELDS = ["sha256", "size", "offset", "stored", "storedSha256", "chunks"];

/** The most that a blob may unpack to: more than any image has, and far below what would overflow a sum. */
const LARGEST_BLOB = 64 * 2 ** 30;

/** The most that a chunk may have as stored: what zstd makes of data that it cannot compress. */
const LARGEST_STORED = CHUNK_SIZE + CHUNK_SIZE / 128;

/**
 * Reads the list of blobs. They fill the payload without a gap and without overlapping, so every byte of it has a digest.
 *
 * @param payload bytes of the payload
 * @returns the blobs by digest, or what is wrong in words
 */
export function readBlobs(list: unknown, payload: number): Map<string, Blob> | string {
  if (!Array.isArray(list)) return "it has no list of blobs";
  const blobs = new Map<string, Blob>();
  let end = 0;
  for (const value of list) {
    const raw = picked(value, FIELDS);
    const fail = (what: string) => `blob ${quoted(raw.sha256)}: ${what}`;
    const problem = blobProblem(raw);
    if (problem !== undefined) return fail(problem);
    const blob = raw as unknown as Blob;
    if (blobs.has(blob.sha256)) return fail("it is there twice");
    if (blob.offset !== end)
      return fail(`offset is ${blob.offset}; expected ${end}, where the one before ends`);
    end += blob.stored;
    if (end > payload) return fail(`it ends ${end - payload} bytes after the payload`);
    blobs.set(blob.sha256, blob);
  }
  return end === payload ? blobs : `its blobs have ${end} bytes; the payload has ${payload}`;
}

function blobProblem(blob: Raw): string | undefined {
  const { sha256, storedSha256, size, offset, stored, chunks } = blob;
  if (!isDigest(sha256) || !isDigest(storedSha256)) return "its digests are not 64 hex digits";
  for (const [name, value] of Object.entries({ size, offset, stored }))
    if (!isSize(value)) return `${name} is ${quoted(value)}; expected bytes`;
  return chunksProblem(chunks, { size: size as number, stored: stored as number });
}

function chunksProblem(
  chunks: unknown,
  { size, stored }: { size: number; stored: number },
): string | undefined {
  if (size > LARGEST_BLOB) return `it would unpack to ${size} bytes; expected at most ${LARGEST_BLOB}`;
  const count = Math.ceil(size / CHUNK_SIZE);
  if (!Array.isArray(chunks) || chunks.length !== count)
    return `it has ${Array.isArray(chunks) ? chunks.length : "no"} chunks; expected ${count}`;
  let sum = 0;
  for (const chunk of chunks as unknown[]) {
    const [bytes, digest] = Array.isArray(chunk) ? (chunk as unknown[]) : [];
    if (!isSize(bytes) || bytes === 0 || bytes > LARGEST_STORED || !isDigest(digest))
      return `a chunk has ${quoted(bytes)} bytes and the digest ${quoted(digest)}; expected 1 to ${LARGEST_STORED} bytes and 64 hex digits`;
    sum += bytes;
  }
  return sum === stored ? undefined : `its chunks have ${sum} bytes; expected ${stored}`;
}

/**
 * Reads what the index says about the program before the payload.
 *
 * @param size bytes before the payload, all of which must have a digest
 * @returns it, undefined for a bundle that is a file of its own, or what is wrong in words
 */
export function readProgram(value: unknown, size: number): PackedIndex["program"] | string {
  const program = picked(value, ["size", "sha256", "chunks"]);
  const said = value === undefined ? 0 : program.size;
  if (said !== size) return `its program has ${quoted(said)} bytes; the payload begins at byte ${size}`;
  if (value === undefined) return undefined;
  const { chunks } = program;
  const count = Math.ceil(size / CHUNK_SIZE);
  const good =
    isDigest(program.sha256) && Array.isArray(chunks) && chunks.length === count && chunks.every(isDigest);
  return good
    ? (program as unknown as PackedIndex["program"])
    : `its program has no digests; expected one, and ${count} of chunks`;
}
