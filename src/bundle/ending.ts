import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { type ByteReader, rangeText } from "./chunks.ts";
import { writeAll } from "./compress.ts";
import { ELF_HEADER_SIZE, programEnd } from "./elf.ts";
import { INDEX_FORMAT } from "./index-format.ts";
import { encodeSignatures, parseSignatures, type Signature } from "./signature.ts";
import { encodeTrailer, findTrailer, type Trailer, TRAILER_SIZE } from "./trailer.ts";

/** How far before the end of a file a trailer is looked for that something was appended to. */
const TAIL = 4 * 2 ** 20;

/** The most that an index may have; that of a bundle of 500 GB has less. */
const LARGEST_INDEX = 16 * 2 ** 20;

/** The most that the signatures may have: some hundreds. */
const LARGEST_SIGNATURES = 64 * 2 ** 10;

/** What stands behind the payload of a bundle file. */
export interface Ending {
  trailer: Trailer;
  /** The index as it stands in the file: what is signed. */
  indexBytes: Buffer;
  signatures: Signature[];
}

/**
 * Reads the end of a bundle file. The index has the digest of the trailer; nobody has judged it.
 *
 * @param file `size`: bytes of it; `tail`: how far before its end a trailer is looked for that something was appended to
 * @returns undefined for a program without anything behind it
 * @throws AppError saying what is wrong with the file, and where
 */
export async function readEnding(
  from: ByteReader,
  file: { size: number; tail?: number },
): Promise<Ending | undefined> {
  const trailer = await readTrailer(from, file);
  if (!trailer) return undefined;
  const { indexOffset, indexSize, signaturesSize } = trailer;
  const indexBytes = await from.read({ at: indexOffset, size: indexSize });
  if (sha256(indexBytes) !== trailer.indexSha256)
    throw damaged(from.path, { what: "index", at: indexOffset, stored: indexSize });
  const signed = await from.read({ at: indexOffset + indexSize, size: signaturesSize });
  return { trailer, indexBytes, signatures: parseSignatures(signed.toString(), from.path) };
}

async function readTrailer(
  from: ByteReader,
  { size, tail = TAIL }: { size: number; tail?: number },
): Promise<Trailer | undefined> {
  const { path } = from;
  const found = findTrailer(await from.read({ at: Math.max(0, size - tail), size: Math.min(size, tail) }));
  if (found.kind === "trailer") return checkTrailer(found.trailer, { path, size });
  if (found.kind === "damaged")
    throw damaged(path, {
      what: "trailer",
      at: Math.max(0, size - TRAILER_SIZE),
      stored: Math.min(size, TRAILER_SIZE),
    });
  if (found.kind === "buried") {
    const end = size - found.after;
    throw new AppError(
      `Cannot use the bundle "${path}": ${found.after} bytes follow its end, which is at byte ${end}`,
      {
        hint: `cut them off: truncate --size=${end} ${path}; or copy it again`,
      },
    );
  }
  const header = await from.read({ at: 0, size: Math.min(size, ELF_HEADER_SIZE) });
  if (programEnd(header) === size) return undefined;
  throw new AppError(
    `Cannot use the bundle "${path}": it does not end as a bundle does after ${size} bytes; it is cut off, or no bundle`,
    { hint: "copy it again, and compare its size with the original's" },
  );
}

function checkTrailer(trailer: Trailer, { path, size }: { path: string; size: number }): Trailer {
  const { format, payloadOffset, indexOffset, indexSize, signaturesSize } = trailer;
  if (format > INDEX_FORMAT) {
    throw new AppError(
      `Cannot read the bundle "${path}": it has format ${format}; this program reads format ${INDEX_FORMAT} and older`,
      { hint: "use the nodelet that came with it, or a newer one" },
    );
  }
  const whole = indexOffset + indexSize + signaturesSize + TRAILER_SIZE;
  const possible =
    format === INDEX_FORMAT &&
    Number.isSafeInteger(whole) &&
    payloadOffset <= indexOffset &&
    indexSize <= LARGEST_INDEX &&
    signaturesSize <= LARGEST_SIGNATURES;
  if (possible && whole === size) return trailer;
  throw new AppError(
    possible
      ? `Cannot use the bundle "${path}": it has ${size} bytes; by its trailer it has ${whole}`
      : `Cannot use the bundle "${path}": what its trailer says is impossible`,
    { hint: "copy it again, and compare its size with the original's" },
  );
}

function damaged(path: string, part: { what: string; at: number; stored: number }): AppError {
  return new AppError(
    `Cannot use the bundle "${path}": its ${part.what} (bytes ${rangeText(part)}) is damaged`,
    {
      hint: "copy it again",
    },
  );
}

/**
 * Writes the end of a bundle file behind its payload, and cuts off what was there.
 *
 * @param ending `payloadOffset`, `indexOffset`: bytes from the start of the file
 * @returns bytes of the whole file
 */
export async function writeEnding(
  handle: FileHandle,
  ending: Pick<Ending, "indexBytes" | "signatures"> & Pick<Trailer, "payloadOffset" | "indexOffset">,
): Promise<number> {
  const { indexBytes, indexOffset, payloadOffset } = ending;
  const signed = encodeSignatures(ending.signatures);
  const trailer = encodeTrailer({
    format: INDEX_FORMAT,
    payloadOffset,
    indexOffset,
    indexSize: indexBytes.length,
    signaturesSize: signed.length,
    indexSha256: sha256(indexBytes),
  });
  const bytes = Buffer.concat([indexBytes, signed, trailer]);
  const size = indexOffset + bytes.length;
  await writeAll(handle, { bytes, at: indexOffset });
  await handle.truncate(size);
  return size;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
