import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { AppError, messageOf } from "../errors.ts";
import { type BundleFile, openBundleFile } from "./bundle-file.ts";
import { rangeText } from "./chunks.ts";
import { bytesContent } from "./image-archive.ts";
import { quoted } from "./quoted.ts";

/** The most that one request may ask for, in bytes: whoever wants all asks several times, and of several nodes. */
export const LARGEST_RANGE = 16 * 2 ** 20;

/** Bytes that are read and sent at a time. */
const PIECE = 256 * 2 ** 10;

const RANGE = /^bytes=(\d{1,15})-(\d{1,15})$/;

/** Of a request what matters here, by the names of `node:http`. */
export interface ServedRequest {
  method?: string | undefined;
  headers: { range?: string | undefined; "if-match"?: string | undefined };
}

/** What is answered. */
export interface ServedAnswer {
  status: number;
  headers: Record<string, string>;
  /** Pieces, each good until the next one is asked for; nothing is open before the first is. */
  body: AsyncIterable<Uint8Array>;
}

/** A file to serve, and the moment at which it was looked at. */
interface Served {
  file: BundleFile;
  /** Device, inode, size and times: another one is another file. */
  identity: string;
}

/** Where stretches are that a file has not got, as first byte and the byte behind. */
type Hole = [from: number, to: number];

/**
 * Serves the bundle of this node to others, by ranges: the first of some files that is there. Its index is read once, and again when the file is
 * another one. Whoever asks judges what comes by the signed index, so it is as secret as the bundle: not at all.
 *
 * ```ts
 * // Once, when the join service begins:
 * const bundle = bundleServer([paths.installedBundle, paths.program]);
 * // For GET and HEAD /v1/bundle; the answer is ended, or the connection closed when the reader goes or the disk fails.
 * await sendAnswer(response, await bundle(request));
 * ```
 *
 * @param places the files, in the order in which they are looked for
 * @returns answers: 200 for HEAD, 206, 404 for bytes that this node has not got, 412 for another bundle than asked for, 416 for a range that
 * is none, 503 without a bundle
 */
export function bundleServer(places: readonly string[]): (request: ServedRequest) => Promise<ServedAnswer> {
  let known: (Served & { holes: readonly Hole[] }) | undefined;
  return async ({ method = "GET", headers }) => {
    if (method !== "GET" && method !== "HEAD")
      return words(405, `expected GET or HEAD`, { allow: "GET, HEAD" });
    try {
      const found = await firstOf(places);
      if (!found) return words(503, "this node has no bundle file");
      if (known?.identity !== found.identity) {
        const served = await openServed(found);
        if (!served) return words(503, "this node has no bundle file");
        known = { ...served, holes: holesOf(served.file) };
      }
      return answer(known, { method, headers });
    } catch (error) {
      return words(503, messageOf(error));
    }
  };
}

async function firstOf(places: readonly string[]): Promise<{ place: string; identity: string } | undefined> {
  for (const place of places) {
    const identity = await identityOf(place);
    if (identity !== undefined) return { place, identity };
  }
  return undefined;
}

async function identityOf(place: string): Promise<string | undefined> {
  const found = await stat(place).catch(() => undefined);
  return found?.isFile() ? textOf(found) : undefined;
}

function textOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join("-");
}

async function openServed({
  place,
  identity,
}: {
  place: string;
  identity: string;
}): Promise<Served | undefined> {
  const file = await openBundleFile({ path: place });
  return file && { file, identity };
}

function holesOf({ gaps, index, trailer }: BundleFile): Hole[] {
  if (!gaps) return [];
  const blobs = index.blobs.filter(({ sha256 }) => gaps.blobs.has(sha256));
  return [
    ...(gaps.program ? [[0, trailer.payloadOffset] as Hole] : []),
    ...blobs.map(({ offset, stored }): Hole => {
      const from = trailer.payloadOffset + offset;
      return [from, from + stored];
    }),
  ];
}

function answer(
  served: Served & { holes: readonly Hole[] },
  { method, headers }: { method: string; headers: ServedRequest["headers"] },
): ServedAnswer {
  const { size, trailer } = served.file;
  const etag = `"${trailer.indexSha256}"`;
  const wanted = headers["if-match"];
  if (wanted !== undefined && wanted !== etag)
    return words(412, "this node has another bundle now", { etag });
  const about = { "accept-ranges": "bytes", "content-type": "application/octet-stream", etag };
  if (method === "HEAD")
    return {
      status: 200,
      headers: { ...about, "content-length": `${size}` },
      body: bytesContent(new Uint8Array()).stream(),
    };
  const range = rangeIn(headers.range, size);
  if (typeof range === "string") return words(416, range, { "content-range": `bytes */${size}`, etag });
  const text = rangeText({ at: range.at, stored: range.size });
  if (served.holes.some(([from, to]) => range.at < to && from < range.at + range.size))
    return words(404, `bytes ${text} are not all on this node: it streamed only what it needs`, { etag });
  return {
    status: 206,
    headers: { ...about, "content-range": `bytes ${text}/${size}`, "content-length": `${range.size}` },
    body: piecesOf(served, range),
  };
}

/** The one range that is asked for, or what is wrong with it in words. */
function rangeIn(header: string | undefined, size: number): { at: number; size: number } | string {
  const [, first, last] = RANGE.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined)
    return `the range is ${quoted(header)}; expected one, bytes=FIRST-LAST`;
  const [at, end] = [Number(first), Number(last)];
  if (end < at || end >= size) return `the range is ${quoted(header)}; expected bytes of 0-${size - 1}`;
  const count = end - at + 1;
  return count <= LARGEST_RANGE
    ? { at, size: count }
    : `the range has ${count} bytes; expected at most ${LARGEST_RANGE}`;
}

/** Memory does not depend on the range: there is one buffer. */
async function* piecesOf(served: Served, range: { at: number; size: number }): AsyncGenerator<Uint8Array> {
  const { place } = served.file;
  await using handle = await open(place, "r");
  // What the answer has said already is true of that file alone.
  if (textOf(await handle.stat()) !== served.identity)
    throw new AppError(`Cannot serve the bundle "${place}": it was replaced`);
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE, range.size));
  const end = range.at + range.size;
  for (let at = range.at; at < end;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) throw new AppError(`Cannot serve the bundle "${place}": it ends at byte ${at}`);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function words(status: number, text: string, headers: Record<string, string> = {}): ServedAnswer {
  const bytes = Buffer.from(`${text}\n`);
  return {
    status,
    headers: { ...headers, "content-type": "text/plain; charset=utf-8", "content-length": `${bytes.length}` },
    body: bytesContent(bytes).stream(),
  };
}
