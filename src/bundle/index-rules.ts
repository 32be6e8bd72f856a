import { isAbsolute, normalize } from "node:path";
import { AppError } from "../errors.ts";
import {
  type Blob,
  type BundleEntry,
  type BundleIndex,
  CHUNK_SIZE,
  INDEX_FORMAT,
  type PackedIndex,
  type RuntimeLinkEntry,
} from "./index-format.ts";

/** Kinds of entries that this program knows; others are passed over, unless `requires` says that they matter. */
const KINDS = ["binary", "cni", "image", "runtime", "licence", "manifest"];

const DIGEST = /^[0-9a-f]{64}$/;
const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const RUNTIME_NAME = /^(?:bin|lib|lib\/xtables)\/[A-Za-z0-9][A-Za-z0-9._+-]*$/;
const LINK_TARGET = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;
const REFERENCE = /^[a-z0-9][a-z0-9.:/_-]*:[\w][\w.-]{0,127}$/;

/** The most that a blob may unpack to: more than any image has, and far below what would overflow a sum. */
const LARGEST_BLOB = 64 * 2 ** 30;

/**
 * Reads an index, and trusts nothing in it: paths stay inside the bundle, digests are digests. Unknown fields and entries
 * of unknown kinds are passed over.
 *
 * @param from its file, for messages
 * @throws AppError naming the entry and the field
 */
export function parseIndex(text: string, from: string): BundleIndex {
  const fail = failing(from);
  let index: BundleIndex;
  try {
    index = JSON.parse(text) as BundleIndex;
  } catch {
    throw fail("it is not JSON; the file may be cut off");
  }
  if (index === null || typeof index !== "object" || Array.isArray(index)) throw fail("it is no JSON object");
  if (index.format > INDEX_FORMAT) throw newer({ from, format: index.format });
  if (index.format !== INDEX_FORMAT && index.format !== 1)
    throw fail(`its format is ${index.format}; expected ${INDEX_FORMAT}`);
  if (!Array.isArray(index.entries)) throw fail("it has no list of entries");
  if (typeof index.name !== "string" || !NAME.test(index.name)) throw fail(`its name is "${index.name}"`);
  index.entries = index.entries.filter((entry) => KINDS.includes(entry?.kind) || !isPlainName(entry?.kind));
  const seen = new Set<string>();
  for (const entry of [...index.entries, ...(index.links ?? [])]) {
    const problem = entry?.kind === "runtime-link" ? linkProblem(entry) : entryProblem(entry);
    if (problem) throw fail(`entry "${entry?.name}": ${problem}`);
    const id = `${placeKind(entry.kind)} ${entry.name}`;
    if (seen.has(id)) throw fail(`there are two entries for ${id}`);
    seen.add(id);
  }
  return index;
}

/**
 * Reads the index of a bundle file.
 *
 * @param file `payload`: bytes of the payload, which every blob must lie in
 * @throws AppError naming what does not fit
 */
export function parsePackedIndex(text: string, file: { from: string; payload: number }): PackedIndex {
  const fail = failing(file.from);
  const index = parseIndex(text, file.from) as PackedIndex;
  const unknown = index.requires?.[0];
  if (unknown !== undefined) throw newer({ from: file.from, feature: unknown });
  if (index.chunkSize !== CHUNK_SIZE)
    throw fail(`chunks have ${index.chunkSize} bytes; expected ${CHUNK_SIZE}`);
  if (!Array.isArray(index.blobs)) throw fail("it has no list of blobs");
  const blobs = new Map<string, Blob>();
  let end = 0;
  for (const blob of index.blobs) {
    const problem =
      blobProblem(blob, file.payload) ?? (blob.offset < end ? "it overlaps the one before" : undefined);
    if (problem) throw fail(`blob ${String(blob?.sha256).slice(0, 16)}: ${problem}`);
    end = blob.offset + blob.stored;
    blobs.set(blob.sha256, blob);
  }
  for (const entry of index.entries) {
    const lost = digestsOf(entry).find((digest) => !blobs.has(digest));
    if (lost) throw fail(`entry "${entry.name}": there is no blob ${lost.slice(0, 16)}`);
    const size = digestsOf(entry).reduce((sum, digest) => sum + (blobs.get(digest)?.size ?? 0), 0);
    if (size !== entry.size)
      throw fail(`entry "${entry.name}": size is ${entry.size}; its blobs have ${size}`);
  }
  return index;
}

/** Digests of the blobs that an entry of a bundle file is made of, in the order in which they are read. */
export function digestsOf(entry: BundleEntry): string[] {
  return entry.kind === "image" ? [entry.imageId.slice(7), ...(entry.layers ?? [])] : [entry.sha256];
}

function failing(from: string) {
  return (what: string) =>
    new AppError(`Cannot read the bundle index "${from}": ${what}`, { hint: "make the bundle again" });
}

function newer(about: { from: string; format?: number; feature?: string }): AppError {
  const what = about.feature ? `it needs "${about.feature}"` : `it has format ${about.format}`;
  return new AppError(
    `Cannot read the bundle "${about.from}": ${what}; this program reads format ${INDEX_FORMAT} and older`,
    { hint: "use the nodelet that came with it, or a newer one" },
  );
}

/** A kind that a newer version may have added. Anything else is no kind at all, and is told. */
function isPlainName(kind: unknown): boolean {
  return typeof kind === "string" && /^[a-z][a-z-]*$/.test(kind);
}

/** Links and files of the runtime have their places together. */
function placeKind(kind: string): string {
  return kind === "runtime-link" ? "runtime" : kind;
}

function linkProblem({ name, target }: RuntimeLinkEntry): string | undefined {
  if (!isRuntimeName(name)) return "name is no place in bin, lib or lib/xtables";
  return typeof target === "string" && LINK_TARGET.test(target)
    ? undefined
    : `target "${target}" is not a name in the same directory`;
}

function isRuntimeName(name: unknown): boolean {
  return typeof name === "string" && RUNTIME_NAME.test(name) && !name.includes("..");
}

function entryProblem(entry: BundleEntry): string | undefined {
  if (!KINDS.includes(entry?.kind)) return `kind is "${entry?.kind}"; expected one of ${KINDS.join(", ")}`;
  if (
    entry.kind === "runtime"
      ? !isRuntimeName(entry.name)
      : typeof entry.name !== "string" || !NAME.test(entry.name)
  )
    return entry.kind === "runtime"
      ? "name is no place in bin, lib or lib/xtables"
      : "name has other characters than a-z, 0-9, dot and dash";
  if (entry.kind === "runtime" && entry.mode !== 0o755 && entry.mode !== 0o644)
    return `mode is ${entry.mode}; expected 0755 or 0644 as a number`;
  if ((entry.kind !== "image" || entry.sha256 !== undefined) && !DIGEST.test(String(entry.sha256)))
    return `sha256 is "${entry.sha256}"; expected 64 hex digits`;
  if (!Number.isSafeInteger(entry.size) || entry.size < 0) return `size is ${entry.size}; expected bytes`;
  return pathProblem(entry.path) ?? imageProblem(entry);
}

function pathProblem(path: unknown): string | undefined {
  if (path === undefined) return undefined;
  if (typeof path !== "string" || path === "") return `path is "${path}"; expected a file of the bundle`;
  return isAbsolute(path) || normalize(path).startsWith("..")
    ? `path "${path}" leads out of the bundle`
    : undefined;
}

function imageProblem(entry: BundleEntry): string | undefined {
  if (entry.kind !== "image") return undefined;
  if (!/^sha256:[0-9a-f]{64}$/.test(entry.imageId)) return `imageId is "${entry.imageId}"; expected sha256:…`;
  if (!REFERENCE.test(entry.reference))
    return `reference "${entry.reference}" is not an image name with a tag`;
  const { layers = [] } = entry;
  const bad = Array.isArray(layers) ? layers.find((layer) => !DIGEST.test(layer)) : layers;
  return bad === undefined ? undefined : `layer "${bad}" is no digest; expected 64 hex digits`;
}

function blobProblem(blob: Blob, payload: number): string | undefined {
  if (!DIGEST.test(blob?.sha256) || !DIGEST.test(blob.storedSha256))
    return "its digests are not 64 hex digits";
  for (const key of ["size", "offset", "stored"] as const)
    if (!Number.isSafeInteger(blob[key]) || blob[key] < 0) return `${key} is ${blob[key]}; expected bytes`;
  if (blob.size > LARGEST_BLOB)
    return `it would unpack to ${blob.size} bytes; expected at most ${LARGEST_BLOB}`;
  if (blob.offset + blob.stored > payload)
    return `it ends ${blob.offset + blob.stored - payload} bytes after the payload`;
  if (!Array.isArray(blob.chunks) || blob.chunks.length !== Math.ceil(blob.size / CHUNK_SIZE))
    return `it has ${blob.chunks?.length} chunks; expected ${Math.ceil(blob.size / CHUNK_SIZE)}`;
  const wrong = blob.chunks.find(
    ([bytes, sha256]) =>
      !Number.isSafeInteger(bytes) || bytes <= 0 || bytes > 2 * CHUNK_SIZE || !DIGEST.test(sha256),
  );
  if (wrong) return `a chunk has ${wrong[0]} bytes and the digest "${wrong[1]}"`;
  const sum = blob.chunks.reduce((total, [bytes]) => total + bytes, 0);
  return sum === blob.stored ? undefined : `its chunks have ${sum} bytes; expected ${blob.stored}`;
}
