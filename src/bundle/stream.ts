import { type FileHandle, open, rename, rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../ctx.ts";
import { AppError } from "../errors.ts";
import { syncDir, writeError } from "../host/atomic.ts";
import { ensureAll, type Host, type Outcome } from "../host/host.ts";
import { paths } from "../paths.ts";
import { sizeText } from "../size-text.ts";
import { type BundleFile, openBundleFile } from "./bundle-file.ts";
import { writeAll } from "./compress.ts";
import { writeEnding } from "./ending.ts";
import { fetchPieces } from "./fetch-pieces.ts";
import { type Gaps, gapsFor, gapsPath, writeGaps } from "./gaps.ts";
import type { NodeContent } from "./needed.ts";
import { joined } from "./pieces.ts";
import type { RemoteBundle } from "./remote.ts";
import { type Stretch, stretchesOf } from "./stretches.ts";
import { wrongStretches } from "./verify.ts";

/** Whose bundle is streamed, for what, and who is told. */
export interface StreamOptions {
  host: Host;
  /** What this node is to be: it gets what that is made of. */
  node: NodeContent;
  clock: Clock;
  signal: AbortSignal;
  /** Told of bytes that are here: once of those of an earlier run, then of every piece. They come to `bytesToStream()`. */
  onBytes?: (bytes: number) => void;
  /** Told of sources that are left out, and why. */
  say?: (line: string) => void;
  /** Bytes that a directory's file system has left. @default asks it */
  freeBytes?: (dir: string) => Promise<number>;
}

/** The file being made, and what of it is not there yet. */
interface Partial {
  handle: FileHandle;
  missing: readonly Stretch[];
}

/**
 * Makes a bundle that other nodes have the bundle of this node: from then on it is found as the installed one, without sources. A run that was
 * ended goes on where it was: what is there by its digest is not fetched again. What this node has no use for stays a hole.
 *
 * ```ts
 * const sources = masters.map(({ ip }) =>
 *   httpSource({ name: ip, url: `https://${ip}:6442/v1/bundle`, init: { tls: { ca }, headers: { authorization } } }),
 * );
 * const remote = await openRemote({ sources, trust, signal, say });
 * const node = { role: config.role, runtime: "bundled", networkPlugin: config.networkPlugin };
 * // Before the first change, preflight judges remoteBundle(remote, node).
 * const shown = meter(io, { what: "stream the bundle", total: bytesToStream(remote, node) });
 * await streamBundle(remote, { host, node, clock, signal, say, onBytes: shown.add });
 * shown.end();
 * const bundle = await openBundle(host, { path: undefined, trust });
 * ```
 *
 * @returns "unchanged" when it was there, whole
 * @throws AppError when there is no room, the disk cannot be written, or no source is left; InterruptedError
 */
export async function streamBundle(remote: RemoteBundle, options: StreamOptions): Promise<Outcome> {
  const { host, node } = options;
  // Ours before their first byte is there: what a killed run leaves goes with reset.
  const claimed = [paths.installedBundle, paths.bundleGaps, paths.partialBundle];
  await ensureAll(host, [
    { kind: "dir", path: dirname(paths.installedBundle), mode: 0o755 },
    ...claimed.map((path) => ({ kind: "tree", path }) as const),
  ]);
  const gaps = gapsFor(remote.index, node);
  const place = host.place(paths.installedBundle);
  const wanted = stretchesOf({ ...remote, gaps });
  try {
    const there = await sameBundle(place, remote);
    if (there && (await isWhole(there, wanted))) return "unchanged";
    if (there) await rename(place, host.place(paths.partialBundle));
    await fill(remote, { ...options, wanted });
    await install(remote, { host, gaps });
    return "changed";
  } catch (error) {
    throw error instanceof AppError ? error : writeError(paths.partialBundle, error);
  }
}

/** A file that begins where the remote one does, and ends with its index. */
async function sameBundle(place: string, { trailer }: RemoteBundle): Promise<BundleFile | undefined> {
  // Whatever else is there is written anew.
  const file = await openBundleFile({ path: place }).catch(() => undefined);
  return file?.trailer.indexSha256 === trailer.indexSha256 ? file : undefined;
}

async function isWhole(file: BundleFile, wanted: readonly Stretch[]): Promise<boolean> {
  const held = new Set(stretchesOf(file).map(({ at }) => at));
  return (
    wanted.every(({ at }) => held.has(at)) && (await wrongStretches(file, { stretches: wanted })).length === 0
  );
}

async function fill(
  remote: RemoteBundle,
  options: StreamOptions & { wanted: readonly Stretch[] },
): Promise<void> {
  const { clock, signal, onBytes, say, wanted } = options;
  const { handle, missing } = await openPartial(remote, options);
  await using _ = handle;
  const have = sumOf(wanted) - sumOf(missing);
  if (have > 0) onBytes?.(have);
  await fetchPieces({
    sources: remote.sources,
    pieces: joined(missing),
    have,
    store: (piece, bytes) => writeAll(handle, { bytes, at: piece.at }),
    clock,
    signal,
    ...(onBytes && { onBytes }),
    ...(say && { say }),
  });
  await handle.sync();
}

/** Opens the file that an earlier run has begun, or begins it: with its end, so that the next run knows whose it is. */
async function openPartial(
  remote: RemoteBundle,
  { host, wanted, freeBytes = freeIn }: StreamOptions & { wanted: readonly Stretch[] },
): Promise<Partial> {
  const path = paths.partialBundle;
  const place = host.place(path);
  const there = await sameBundle(place, remote);
  const missing = there ? await wrongStretches(there, { stretches: wanted }) : wanted;
  await checkRoom(sumOf(missing) + remote.indexBytes.length, {
    path: dirname(path),
    free: await freeBytes(dirname(place)),
  });
  if (there) return { handle: await open(place, "r+"), missing };
  await rm(place, { force: true });
  const handle = await open(place, "wx+", 0o644);
  const { payloadOffset, indexOffset } = remote.trailer;
  await writeEnding(handle, { ...remote, payloadOffset, indexOffset }).catch(async (error: unknown) => {
    await handle.close();
    throw error;
  });
  return { handle, missing };
}

async function freeIn(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

async function checkRoom(needed: number, { path, free }: { path: string; free: number }): Promise<void> {
  if (free >= needed) return;
  throw new AppError(
    `Cannot stream the bundle: the file system of "${path}" has ${sizeText(free)} free; expected ${sizeText(needed)}`,
    { hint: `make room for ${sizeText(needed - free)} more there, and run the same command again` },
  );
}

/** Puts the file in its place. Whoever is killed in between has no bundle, or one whose gaps are known; never one that hides them. */
async function install({ trailer }: RemoteBundle, { host, gaps }: { host: Host; gaps: Gaps }): Promise<void> {
  const place = host.place(paths.installedBundle);
  await rm(place, { force: true });
  if (gaps.program || gaps.blobs.size > 0) await writeGaps(place, { ...gaps, index: trailer.indexSha256 });
  else await rm(gapsPath(place), { force: true });
  await rename(host.place(paths.partialBundle), place);
  await syncDir(dirname(place));
}

function sumOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { size }) => sum + size, 0);
}
