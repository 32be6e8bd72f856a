import { createHash, type KeyObject } from "node:crypto";
import { copyFile, type FileHandle, open, rename, rm, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "../errors.ts";
import { syncDir, temporaryOf } from "../host/atomic.ts";
import { type BundleFile, openBundleFile } from "./bundle-file.ts";
import { readRange } from "./chunks.ts";
import { packBlob, piecesOf, writeAll } from "./compress.ts";
import {
  type Blob,
  CHUNK_SIZE,
  INDEX_FORMAT,
  type PackedIndex,
  type RuntimeLinkEntry,
} from "./index-format.ts";
import { readStack } from "./stack.ts";
import { encodeTrailer } from "./trailer.ts";
import { signIndex, type Signature } from "./trust.ts";
import { verifyBundleFile } from "./verify.ts";

/** What a bundle file is made from. */
export interface CreateOptions {
  /** A stack directory, or a bundle file whose payload is taken over as it is. */
  from: { stack: string; leaveOut?: readonly string[] } | { bundle: BundleFile };
  /** The executable that goes before the payload; without one the bundle is a file of its own. */
  program?: string;
  /** The file to write; it appears under this name when it is complete. */
  out: string;
  /** Of zstd, 1 to 22. @default {@linkcode DEFAULT_LEVEL} */
  level?: number;
  /** Private key; unsigned without. */
  key?: KeyObject;
  /** Told of plain bytes that are done, and how many there are in all. */
  onBytes?: (done: number, total: number) => void;
}

/** Of all levels the best use of a build's time: 19 takes ten times as long and saves 4 percent, measured. */
export const DEFAULT_LEVEL = 9;

/**
 * Writes a bundle file. The same input gives the same bytes.
 *
 * @returns its size and the plain size of its payload
 * @throws AppError when the stack is incomplete or damaged, or the file cannot be written
 */
export async function createBundle(options: CreateOptions): Promise<{ size: number; plain: number }> {
  const { from, out } = options;
  const temporary = temporaryOf(out);
  try {
    const program = await placeProgram(options.program, temporary);
    await using handle = await open(temporary, "r+");
    const origin = program?.size ?? 0;
    const content =
      "bundle" in from
        ? await copyPayload(from.bundle, { handle, origin })
        : await packStack(options, { handle, origin, ...from });
    const { name, platform, entries, links, blobs } = content;
    const index: PackedIndex = {
      format: INDEX_FORMAT,
      name,
      platform,
      requires: [],
      chunkSize: CHUNK_SIZE,
      ...(program && { program }),
      entries,
      ...(links.length > 0 && { links }),
      blobs,
    };
    const bytes = Buffer.from(JSON.stringify(index));
    const signatures = options.key ? [signIndex(bytes, options.key)] : [];
    const last = blobs.at(-1);
    const indexOffset = origin + (last ? last.offset + last.stored : 0);
    const size = await writeEnd(handle, { index: bytes, signatures, payloadOffset: origin, indexOffset });
    await handle.chmod(program ? 0o755 : 0o644);
    await handle.sync();
    await rename(temporary, out);
    await syncDir(dirname(out));
    return { size, plain: blobs.reduce((sum, blob) => sum + blob.size, 0) };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Where a payload is written. */
interface Target {
  handle: FileHandle;
  /** Where it begins, in bytes from the start of the file. */
  origin: number;
}

type Payload = Pick<PackedIndex, "name" | "platform" | "entries" | "blobs"> & { links: RuntimeLinkEntry[] };

async function packStack(
  { level = DEFAULT_LEVEL, onBytes }: CreateOptions,
  { handle, origin, stack, leaveOut = [] }: Target & { stack: string; leaveOut?: readonly string[] },
): Promise<Payload> {
  const { ranges, ...content } = await readStack(stack, leaveOut);
  const total = ranges.reduce((sum, { size }) => sum + size, 0);
  const blobs: Blob[] = [];
  let at = origin;
  let done = 0;
  for (const range of ranges) {
    const blob = await packBlob(range, { handle, at, origin, level });
    blobs.push(blob);
    at += blob.stored;
    done += range.size;
    onBytes?.(done, total);
  }
  return { ...content, blobs };
}

/** Nothing is compressed anew; what is damaged is not handed on. */
async function copyPayload(bundle: BundleFile, { handle, origin }: Target): Promise<Payload> {
  const [damage] = await verifyBundleFile(bundle, { only: bundle.index.entries });
  if (damage) {
    throw new AppError(
      `Cannot take over "${bundle.path}": bytes ${damage.first}-${damage.last} are damaged`,
      {
        hint: "copy it again",
      },
    );
  }
  const { payloadOffset, indexOffset } = bundle.trailer;
  await using source = await open(bundle.place, "r");
  const from = { handle: source, path: bundle.path };
  for (const piece of piecesOf({ offset: payloadOffset, size: indexOffset - payloadOffset })) {
    const bytes = await readRange(from, piece);
    await writeAll(handle, { bytes, at: piece.at - payloadOffset + origin });
  }
  const { name, platform, entries, links = [], blobs } = bundle.index;
  return { name, platform, entries, links, blobs };
}

/** Puts the program at the beginning of the file, without a payload that it may have. */
async function placeProgram(source: string | undefined, target: string): Promise<PackedIndex["program"]> {
  await rm(target, { force: true });
  if (source === undefined) {
    await (await open(target, "wx", 0o600)).close();
    return undefined;
  }
  const old = await openBundleFile({ path: source });
  await copyFile(source, target);
  if (old) await truncate(target, old.trailer.payloadOffset);
  await using handle = await open(target, "r");
  const { size } = await handle.stat();
  const whole = createHash("sha256");
  const chunks: string[] = [];
  for (const piece of piecesOf({ offset: 0, size })) {
    const bytes = await readRange({ handle, path: source }, piece);
    whole.update(bytes);
    chunks.push(createHash("sha256").update(bytes).digest("hex"));
  }
  return { size, sha256: whole.digest("hex"), chunks };
}

/** Writes index, signatures and trailer. @returns bytes of the whole file */
async function writeEnd(
  handle: FileHandle,
  end: { index: Buffer; signatures: readonly Signature[]; payloadOffset: number; indexOffset: number },
): Promise<number> {
  const { index, indexOffset, payloadOffset } = end;
  const signed = Buffer.from(end.signatures.length > 0 ? JSON.stringify(end.signatures) : "");
  const trailer = encodeTrailer({
    format: INDEX_FORMAT,
    payloadOffset,
    indexOffset,
    indexSize: index.length,
    signaturesSize: signed.length,
    indexSha256: createHash("sha256").update(index).digest("hex"),
  });
  const bytes = Buffer.concat([index, signed, trailer]);
  await writeAll(handle, { bytes, at: indexOffset });
  await handle.truncate(indexOffset + bytes.length);
  return indexOffset + bytes.length;
}

/**
 * Signs a bundle file that exists. A signature by the same key is replaced; others stay.
 *
 * @returns the fingerprint of the key
 */
export async function signBundle(file: BundleFile, key: KeyObject): Promise<string> {
  const signature = signIndex(file.indexBytes, key);
  const others = file.signatures.filter((one) => one.key !== signature.key);
  const { payloadOffset, indexOffset } = file.trailer;
  const temporary = temporaryOf(file.path);
  try {
    await copyFile(file.place, temporary);
    await using handle = await open(temporary, "r+");
    const index = file.indexBytes;
    await writeEnd(handle, { index, signatures: [...others, signature], payloadOffset, indexOffset });
    await handle.sync();
    await rename(temporary, file.path);
    await syncDir(dirname(file.path));
    return signature.key;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
