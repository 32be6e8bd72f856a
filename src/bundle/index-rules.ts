import { AppError } from "../errors.ts";
import { readBlobs, readProgram } from "./blob-rules.ts";
import { isName, isOfLaterKind, isPlatform, type Raw, readEntry, readLink } from "./entry-rules.ts";
import {
  type Blob,
  type BundleEntry,
  type BundleIndex,
  CHUNK_SIZE,
  INDEX_FORMAT,
  type PackedIndex,
} from "./index-format.ts";
import { togetherProblem } from "./place-rules.ts";
import { quoted } from "./quoted.ts";

/**
 * Reads an index, and trusts nothing in it: paths stay inside the bundle, digests are digests, texts are one line. Unknown
 * fields and entries of unknown kinds are passed over; the result has only what was judged.
 *
 * @param from its file, for messages
 * @throws AppError naming the entry and the field
 */
export function parseIndex(text: string, from: string): BundleIndex {
  return indexOf(readObject(text, from), from);
}

/**
 * Reads the index of a bundle file. By it every byte of the program and of the payload has a digest.
 *
 * @param file `program`, `payload`: the bytes that they have in the file
 * @throws AppError naming what does not fit
 */
export function parsePackedIndex(
  text: string,
  file: { from: string; program: number; payload: number },
): PackedIndex {
  const raw = readObject(text, file.from);
  const fail = failing(file.from);
  const index = indexOf(raw, file.from);
  if (raw.chunkSize !== CHUNK_SIZE)
    throw fail(`chunks have ${quoted(raw.chunkSize)} bytes; expected ${CHUNK_SIZE}`);
  const program = readProgram(raw.program, file.program);
  if (typeof program === "string") throw fail(program);
  const blobs = readBlobs(raw.blobs, file.payload);
  if (typeof blobs === "string") throw fail(blobs);
  for (const entry of index.entries) {
    const problem = contentProblem(entry, blobs);
    if (problem !== undefined) throw fail(`entry ${quoted(entry.name)}: ${problem}`);
  }
  return {
    ...index,
    requires: [],
    chunkSize: CHUNK_SIZE,
    ...(program && { program }),
    blobs: [...blobs.values()],
  };
}

/** Digests of the blobs that an entry of a bundle file is made of, in the order in which they are read. */
export function digestsOf(entry: BundleEntry): string[] {
  return entry.kind === "image"
    ? [entry.imageId.slice("sha256:".length), ...(entry.layers ?? [])]
    : [entry.sha256];
}

/** An object of a format that this program reads. What it requires is judged first: it may change all the rest. */
function readObject(text: string, from: string): Raw {
  const fail = failing(from);
  let index: Raw;
  try {
    index = JSON.parse(text) as Raw;
  } catch {
    throw fail("it is not JSON; the file may be cut off");
  }
  if (index === null || typeof index !== "object" || Array.isArray(index)) throw fail("it is no JSON object");
  const { format, requires = [] } = index;
  if (typeof format === "number" && format > INDEX_FORMAT) throw newer(from, `it has format ${format}`);
  if (format !== INDEX_FORMAT && format !== 1)
    throw fail(`its format is ${quoted(format)}; expected ${INDEX_FORMAT}`);
  if (!Array.isArray(requires)) throw fail(`what it requires is ${quoted(requires)}; expected a list`);
  if (requires.length > 0) throw newer(from, `it needs ${quoted(requires[0])}`);
  return index;
}

function indexOf(raw: Raw, from: string): BundleIndex {
  const fail = failing(from);
  const { format, name, platform } = raw;
  if (!isName(name)) throw fail(`its name is ${quoted(name)}`);
  if (!isPlatform(platform)) throw fail(`its platform is ${quoted(platform)}; expected os/architecture`);
  if (!Array.isArray(raw.entries)) throw fail("it has no list of entries");
  const entries = knownOf(raw.entries, { read: readEntry, fail });
  const { links: list = [] } = raw;
  if (!Array.isArray(list)) throw fail(`its links are ${quoted(list)}; expected a list`);
  const links = knownOf(list, { read: readLink, fail });
  const problem = togetherProblem(entries, links);
  if (problem !== undefined) throw fail(problem);
  return { format: format as number, name, platform, entries, ...(links.length > 0 && { links }) };
}

function knownOf<T extends object>(
  list: readonly unknown[],
  { read, fail }: { read: (value: unknown) => T | string; fail: (what: string) => AppError },
): T[] {
  const known = list.filter((value) => !isOfLaterKind(value));
  return known.map((value) => {
    const found = read(value);
    if (typeof found === "string") throw fail(found);
    return found;
  });
}

function contentProblem(entry: BundleEntry, blobs: ReadonlyMap<string, Blob>): string | undefined {
  if (entry.kind === "image" && (entry.layers ?? []).length === 0) return "it has no layers";
  const digests = digestsOf(entry);
  const lost = digests.find((digest) => !blobs.has(digest));
  if (lost !== undefined) return `there is no blob ${quoted(lost)}`;
  const size = digests.reduce((sum, digest) => sum + (blobs.get(digest)?.size ?? 0), 0);
  return size === entry.size ? undefined : `size is ${entry.size}; its blobs have ${size}`;
}

function failing(from: string) {
  return (what: string) =>
    new AppError(`Cannot read the bundle index "${from}": ${what}`, { hint: "make the bundle again" });
}

function newer(from: string, what: string): AppError {
  return new AppError(
    `Cannot read the bundle "${from}": ${what}; this program reads format ${INDEX_FORMAT} and older`,
    { hint: "use the nodelet that came with it, or a newer one" },
  );
}
