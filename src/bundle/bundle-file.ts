import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { AppError, messageOf } from "../errors.ts";
import { blobChunks, type OpenFile, rangeText, readRange } from "./chunks.ts";
import type { Content } from "./content.ts";
import { ELF_HEADER_SIZE, programEnd } from "./elf.ts";
import { INDEX_FORMAT, type PackedIndex } from "./index-format.ts";
import { parsePackedIndex } from "./index-rules.ts";
import { findTrailer, type Trailer, TRAILER_SIZE } from "./trailer.ts";
import { parseSignatures, type Signature, signerOf, type TrustedKey } from "./trust.ts";

/** How far before the end of a file a trailer is looked for that something was appended to. */
const TAIL = 4 * 2 ** 20;

/** The most that an index or signatures may have; of a bundle with a thousand images it has one percent of that. */
const LARGEST_INDEX = 64 * 2 ** 20;

/** A bundle file whose end and index have been read. */
export interface BundleFile {
  /** For messages. */
  path: string;
  /** What is opened to read it. */
  place: string;
  /** Bytes of the whole file. */
  size: number;
  trailer: Trailer;
  index: PackedIndex;
  /** The index as it stands in the file: what is signed. */
  indexBytes: Buffer;
  signatures: Signature[];
}

/** Whom to believe. */
export interface Trust {
  trusted: readonly TrustedKey[];
  /** Take a bundle that nobody trusted has signed. */
  insecure: boolean;
}

/**
 * Reads the end of a bundle file and its index; nothing of the payload.
 *
 * @param file `place`: what is opened, where that is another name than the one for messages
 * @returns undefined for a program without anything behind it
 * @throws AppError saying what is wrong with the file, and where
 */
export async function openBundleFile(file: {
  path: string;
  place?: string;
}): Promise<BundleFile | undefined> {
  const { path, place = path } = file;
  await using handle = await open(place, "r").catch((error) => {
    throw new AppError(`Cannot open the bundle "${path}": ${messageOf(error)}`, {
      hint: "name it with --bundle FILE",
    });
  });
  const from = { handle, path };
  const { size } = await handle.stat();
  const trailer = await readTrailer(from, size);
  if (!trailer) return undefined;
  const indexBytes = await readRange(from, { at: trailer.indexOffset, size: trailer.indexSize });
  if (createHash("sha256").update(indexBytes).digest("hex") !== trailer.indexSha256)
    throw damaged(
      path,
      `its index (bytes ${rangeText({ at: trailer.indexOffset, stored: trailer.indexSize })})`,
    );
  const signed = await readRange(from, {
    at: trailer.indexOffset + trailer.indexSize,
    size: trailer.signaturesSize,
  });
  return {
    path,
    place,
    size,
    trailer,
    indexBytes,
    index: parsePackedIndex(indexBytes.toString(), {
      from: path,
      payload: trailer.indexOffset - trailer.payloadOffset,
    }),
    signatures: parseSignatures(signed.toString(), path),
  };
}

async function readTrailer(from: OpenFile, size: number): Promise<Trailer | undefined> {
  const tail = await readRange(from, { at: Math.max(0, size - TAIL), size: Math.min(size, TAIL) });
  const found = findTrailer(tail);
  if (found.kind === "trailer") return checkTrailer(found.trailer, { path: from.path, size });
  if (found.kind === "damaged")
    throw damaged(
      from.path,
      `its trailer (bytes ${rangeText({ at: size - TRAILER_SIZE, stored: TRAILER_SIZE })})`,
    );
  if (found.kind === "buried") {
    throw new AppError(
      `Cannot use the bundle "${from.path}": ${found.after} bytes follow its end, which is at byte ${size - found.after}`,
      { hint: `cut them off: truncate --size=${size - found.after} ${from.path}; or copy it again` },
    );
  }
  const header = await readRange(from, { at: 0, size: Math.min(size, ELF_HEADER_SIZE) });
  if (programEnd(header) === size) return undefined;
  throw new AppError(
    `Cannot use the bundle "${from.path}": it does not end as a bundle does after ${size} bytes; it is cut off, or no bundle`,
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
  const sizes = [payloadOffset, indexOffset, indexSize, signaturesSize];
  const whole = indexOffset + indexSize + signaturesSize + TRAILER_SIZE;
  const good =
    sizes.every((value) => Number.isSafeInteger(value)) &&
    payloadOffset <= indexOffset &&
    indexSize <= LARGEST_INDEX &&
    signaturesSize <= LARGEST_INDEX;
  if (good && whole === size) return trailer;
  throw new AppError(
    `Cannot use the bundle "${path}": it has ${size} bytes; by its trailer it has ${good ? whole : "impossibly many"}`,
    { hint: "copy it again, and compare its size with the original's" },
  );
}

/**
 * Judges whether a bundle may be used.
 *
 * @returns the key that vouches for it; undefined when none does and that was allowed
 * @throws AppError when nobody trusted has signed it
 */
export function checkTrust(file: BundleFile, { trusted, insecure }: Trust): TrustedKey | undefined {
  const { signatures, indexBytes, path } = file;
  const signer = signerOf(indexBytes, { signatures, trusted });
  if (signer || insecure) return signer;
  const known = trusted.map(({ fingerprint }) => fingerprint).join(", ") || "none";
  const claimed = signatures.map(({ key }) => key);
  const wrong = claimed.some((key) => trusted.some(({ fingerprint }) => fingerprint === key));
  const found =
    claimed.length === 0
      ? "nobody has signed it"
      : wrong
        ? `its signature by ${claimed.join(", ")} does not fit its index`
        : `it is signed by ${claimed.join(", ")}`;
  throw new AppError(`Cannot trust the bundle "${path}": ${found}; trusted keys: ${known}`, {
    hint: "name the maker's key with --trusted-key FILE, or take it as it is with --insecure-bundle",
  });
}

/** The content of a blob, by its digest. @throws AppError when the bundle has no such blob */
export function blobContent(file: BundleFile, digest: string): Content {
  const blob = file.index.blobs.find(({ sha256 }) => sha256 === digest);
  if (!blob) throw new AppError(`Cannot find ${digest.slice(0, 16)} in the bundle "${file.path}"`);
  const from = { place: file.place, path: file.path, payloadOffset: file.trailer.payloadOffset };
  return { size: blob.size, stream: () => blobChunks(from, blob) };
}

function damaged(path: string, what: string): AppError {
  return new AppError(`Cannot use the bundle "${path}": ${what} is damaged`, { hint: "copy it again" });
}
