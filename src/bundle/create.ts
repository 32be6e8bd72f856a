import type { KeyObject } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "../errors.ts";
import { syncDir } from "../host/atomic.ts";
import type { BundleFile } from "./bundle-file.ts";
import { readRange, release } from "./chunks.ts";
import { packBlob, piecesOf, writeAll } from "./compress.ts";
import { writeEnding } from "./ending.ts";
import { entriesWithGaps } from "./gaps.ts";
import { type Blob, type BundleIndex, CHUNK_SIZE, INDEX_FORMAT, type PackedIndex } from "./index-format.ts";
import { placeProgram } from "./program-part.ts";
import { replaceFile } from "./replace-file.ts";
import { signIndex } from "./signature.ts";
import { readStack, type StackChoice } from "./stack.ts";
import { verifyBundleFile } from "./verify.ts";

/** What a bundle file is made from. */
export interface CreateOptions {
  /** A stack directory, or a bundle file whose payload is taken over as it is. */
  from: ({ stack: string } & StackChoice) | { bundle: BundleFile };
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
  const made = await replaceFile(out, async (temporary) => {
    const program =
      options.program === undefined ? undefined : await placeProgram(options.program, temporary);
    await using handle = await open(temporary, program ? "r+" : "wx+", 0o600);
    const target = { handle, origin: program?.size ?? 0 };
    const { blobs, ...content } =
      "bundle" in from
        ? await copyPayload(from.bundle, target)
        : await packStack(options, { ...target, ...from });
    const size = await finish(options, { ...target, index: packedIndex({ content, program, blobs }) });
    await handle.chmod(program ? 0o755 : 0o644);
    await handle.sync();
    return { size, plain: blobs.reduce((sum, blob) => sum + blob.size, 0) };
  });
  await syncDir(dirname(out));
  return made;
}

/** Where a payload is written. */
interface Target {
  handle: FileHandle;
  /** Where it begins, in bytes from the start of the file. */
  origin: number;
}

/** What of an index is about the content. */
type Content = Omit<BundleIndex, "format">;

async function packStack(
  { level = DEFAULT_LEVEL, onBytes }: CreateOptions,
  { handle, origin, stack, ...choice }: Target & { stack: string } & StackChoice,
): Promise<Content & { blobs: Blob[] }> {
  const { ranges, ...content } = await readStack(stack, choice);
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
async function copyPayload(
  bundle: BundleFile,
  { handle, origin }: Target,
): Promise<Content & { blobs: Blob[] }> {
  const missing = entriesWithGaps(bundle.index.entries, bundle.gaps).map(({ name }) => name);
  if (missing.length > 0) {
    throw new AppError(`Cannot take over "${bundle.path}": it was streamed without ${missing.join(", ")}`, {
      hint: "name a whole bundle with --bundle FILE",
    });
  }
  const [damage] = await verifyBundleFile(bundle, { only: bundle.index.entries });
  if (damage) {
    throw new AppError(
      `Cannot take over "${bundle.path}": bytes ${damage.first}-${damage.last} are damaged`,
      { hint: "copy it again" },
    );
  }
  const { payloadOffset, indexOffset } = bundle.trailer;
  await using source = await open(bundle.place, "r");
  const from = { handle: source, path: bundle.path };
  for (const piece of piecesOf({ offset: payloadOffset, size: indexOffset - payloadOffset })) {
    const bytes = await readRange(from, piece);
    await writeAll(handle, { bytes, at: piece.at - payloadOffset + origin });
    release(bytes);
  }
  const { name, platform, entries, links, blobs } = bundle.index;
  return { name, platform, entries, ...(links && { links }), blobs };
}

/** Its fields in the order in which they stand in the file: the bytes depend on it. */
function packedIndex(parts: {
  content: Content;
  program: PackedIndex["program"];
  blobs: Blob[];
}): PackedIndex {
  const { name, platform, entries, links } = parts.content;
  return {
    format: INDEX_FORMAT,
    name,
    platform,
    requires: [],
    chunkSize: CHUNK_SIZE,
    ...(parts.program && { program: parts.program }),
    entries,
    ...(links && { links }),
    blobs: parts.blobs,
  };
}

async function finish(
  { key }: CreateOptions,
  { handle, origin, index }: Target & { index: PackedIndex },
): Promise<number> {
  const indexBytes = Buffer.from(JSON.stringify(index));
  const last = index.blobs.at(-1);
  return await writeEnding(handle, {
    indexBytes,
    signatures: key ? [signIndex(indexBytes, key)] : [],
    payloadOffset: origin,
    indexOffset: origin + (last ? last.offset + last.stored : 0),
  });
}
