import { open, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { AppError } from "../errors.ts";
import { type Additions, readAdditions } from "./add.ts";
import { digestOfRange, type PlainRange } from "./compress.ts";
import { type ArchiveParts, readArchive } from "./image-archive.ts";
import type { BundleEntry, BundleIndex, ImageEntry } from "./index-format.ts";
import { parseIndex } from "./index-rules.ts";

/** A stack directory, read for a bundle file. */
export interface StackContent extends Omit<BundleIndex, "format"> {
  /** As they stand in a bundle file: without paths, images as layers. */
  entries: BundleEntry[];
  /** Every piece of content once, in the order of the entries. */
  ranges: PlainRange[];
}

/** Reads the index of a stack directory. @throws AppError when there is none, or it is not valid */
export async function readStackIndex(dir: string): Promise<BundleIndex> {
  const path = join(dir, "index.json");
  const text = await Bun.file(path)
    .text()
    .catch(() => undefined);
  if (text === undefined) {
    throw new AppError(`Cannot open the bundle: "${dir}" has no index.json; expected a stack directory`, {
      hint: "name a bundle file, or a directory made by the stack assembly",
    });
  }
  const index = parseIndex(text, path);
  const lost = index.entries.find((entry) => entry.path === undefined);
  if (!lost) return index;
  throw new AppError(`Cannot read the bundle index "${path}": entry "${lost.name}" has no path`, {
    hint: "make the bundle again",
  });
}

/** What is taken of a stack, and beside it. */
export interface StackChoice {
  /** Names of entries that are not wanted. */
  leaveOut?: readonly string[];
  add?: Additions;
}

/**
 * Reads a stack directory: every file is compared with the index, every image taken apart into its layers.
 *
 * @throws AppError naming the file that is missing or another one than the index says
 */
export async function readStack(
  dir: string,
  { leaveOut = [], add }: StackChoice = {},
): Promise<StackContent> {
  const index = await readStackIndex(dir);
  const unknown = leaveOut.find((name) => !index.entries.some((entry) => entry.name === name));
  if (unknown !== undefined) {
    throw new AppError(`Cannot leave out "${unknown}": the stack "${dir}" has no such entry`, {
      hint: "its index.json names them",
    });
  }
  const ranges = new Map<string, PlainRange>();
  const entries: BundleEntry[] = [];
  const added = add ? await readAdditions(add, index) : [];
  const again = (entry: BundleEntry) =>
    added.some(({ kind, name }) => kind === entry.kind && name === entry.name);
  const kept = index.entries.filter((entry) => !leaveOut.includes(entry.name) && !again(entry));
  const wanted = [...kept, ...added];
  for (const { path = "", ...entry } of wanted) {
    const file = resolve(dir, path);
    const content = entry.kind === "image" ? await imageRanges(entry, file) : [await fileRange(entry, file)];
    for (const range of content) ranges.set(range.sha256, ranges.get(range.sha256) ?? range);
    entries.push(entry.kind === "image" ? packedImage(entry, content) : (entry as BundleEntry));
  }
  const { name, platform, links } = index;
  return { name, platform, entries, ...(links && { links }), ranges: [...ranges.values()] };
}

async function fileRange(entry: { name: string; sha256: string }, file: string): Promise<PlainRange> {
  const found = await stat(file).catch(() => undefined);
  if (!found) throw other(file, "it is missing");
  const range = { file, offset: 0, size: found.size };
  const sha256 = await digestOfRange(range);
  if (sha256 !== entry.sha256)
    throw other(file, `its sha256 is ${sha256.slice(0, 16)}…; expected ${entry.sha256.slice(0, 16)}…`);
  return { ...range, sha256 };
}

/** Configuration first, then the layers. */
async function imageRanges(image: Pick<ImageEntry, "imageId">, file: string): Promise<PlainRange[]> {
  await using handle = await open(file, "r").catch(() => {
    throw other(file, "it is missing");
  });
  const parts: ArchiveParts = await readArchive({ handle, path: file });
  const ranges = [parts.config, ...parts.layers].map(({ offset, size }) => ({ file, offset, size }));
  const digests = await Promise.all(ranges.map(digestOfRange));
  if (`sha256:${digests[0]}` !== image.imageId)
    throw other(
      file,
      `it holds the image sha256:${digests[0]?.slice(0, 16)}…; expected ${image.imageId.slice(0, 23)}…`,
    );
  return ranges.map((range, at) => ({ ...range, sha256: digests[at] ?? "" }));
}

function packedImage(entry: Omit<ImageEntry, "path">, content: readonly PlainRange[]): ImageEntry {
  const { sha256: _, ...image } = entry;
  const layers = content.slice(1).map(({ sha256 }) => sha256);
  return { ...image, size: content.reduce((sum, { size }) => sum + size, 0), layers };
}

function other(file: string, what: string): AppError {
  return new AppError(`Cannot take "${file}" into a bundle: ${what}`, { hint: "assemble the stack again" });
}
