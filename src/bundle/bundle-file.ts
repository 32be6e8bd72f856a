import { open, stat } from "node:fs/promises";
import { AppError, messageOf } from "../errors.ts";
import { blobChunks, type ByteReader, fileReader } from "./chunks.ts";
import type { Content } from "./content.ts";
import { type Ending, readEnding } from "./ending.ts";
import { type Gaps, readGaps } from "./gaps.ts";
import type { PackedIndex } from "./index-format.ts";
import { digestsOf, parsePackedIndex } from "./index-rules.ts";
import { signerOf } from "./signature.ts";
import type { TrustedKey } from "./trust.ts";

/** The end of a bundle file, and what its index says. */
export interface IndexedEnding extends Ending {
  /** For messages. */
  path: string;
  index: PackedIndex;
}

/** A bundle file whose end and index have been read. */
export interface BundleFile extends IndexedEnding {
  /** What is opened to read it. */
  place: string;
  /** Bytes of the whole file. */
  size: number;
  /** What of it is not on this node; undefined when all is. */
  gaps?: Gaps;
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
  const fail = (what: string) =>
    new AppError(`Cannot open the bundle "${path}": ${what}`, { hint: "name it with --bundle FILE" });
  const seen = (error: unknown) => {
    throw fail(messageOf(error));
  };
  // Looked at before it is opened: opening a pipe waits for somebody who writes.
  if (!(await stat(place).catch(seen)).isFile()) throw fail("it is no file");
  await using handle = await open(place, "r").catch(seen);
  const { size } = await handle.stat();
  const ending = await readIndex(fileReader({ handle, path }), { size });
  if (!ending) return undefined;
  const gaps = await readGaps(place, ending.trailer.indexSha256);
  return { ...ending, place, size, ...(gaps && { gaps }) };
}

/**
 * Reads the end of a bundle, wherever it is, and judges its index; not whether it can be trusted.
 *
 * @param file as for {@linkcode readEnding}
 * @returns undefined for a program without anything behind it
 * @throws AppError saying what is wrong with it, and where
 */
export async function readIndex(
  from: ByteReader,
  file: { size: number; tail?: number },
): Promise<IndexedEnding | undefined> {
  const { path } = from;
  const ending = await readEnding(from, file);
  if (!ending) return undefined;
  const { payloadOffset, indexOffset } = ending.trailer;
  const index = parsePackedIndex(ending.indexBytes.toString(), {
    from: path,
    program: payloadOffset,
    payload: indexOffset - payloadOffset,
  });
  return { path, ...ending, index };
}

/**
 * Judges whether a bundle may be used.
 *
 * @returns the key that vouches for it; undefined when none does and that was allowed
 * @throws AppError when nobody trusted has signed it
 */
export function checkTrust(file: IndexedEnding, { trusted, insecure }: Trust): TrustedKey | undefined {
  const { signatures, indexBytes, path } = file;
  const signer = signerOf(indexBytes, { signatures, trusted });
  if (signer || insecure) return signer;
  const known = trusted.map(({ fingerprint }) => fingerprint);
  const claimed = signatures.map(({ key }) => key);
  const found =
    claimed.length === 0
      ? "nobody has signed it"
      : claimed.some((key) => known.includes(key))
        ? `its signature by ${claimed.join(", ")} does not fit its index`
        : `it is signed by ${claimed.join(", ")}`;
  throw new AppError(
    `Cannot trust the bundle "${path}": ${found}; trusted keys: ${known.join(", ") || "none"}`,
    { hint: "name the maker's key with --trusted-key FILE, or take it as it is with --insecure-bundle" },
  );
}

/** The content of a blob, by its digest. @throws AppError when the bundle has no such blob, or not on this node */
export function blobContent(file: BundleFile, digest: string): Content {
  const blob = file.index.blobs.find(({ sha256 }) => sha256 === digest);
  if (!blob) throw new AppError(`Cannot find ${digest.slice(0, 16)} in the bundle "${file.path}"`);
  if (file.gaps?.blobs.has(digest)) throw notHere(file, digest);
  const from = { place: file.place, path: file.path, payloadOffset: file.trailer.payloadOffset };
  return { size: blob.size, stream: () => blobChunks(from, blob) };
}

/** Content that is a gap, told by the names of what is made of it. */
function notHere({ index, path }: BundleFile, digest: string): AppError {
  const names = index.entries.filter((entry) => digestsOf(entry).includes(digest)).map(({ name }) => name);
  return new AppError(`Cannot read ${names.join(", ")}: the bundle "${path}" was streamed without it`, {
    hint: "name a whole bundle with --bundle FILE",
  });
}
