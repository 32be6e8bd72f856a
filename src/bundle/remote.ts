import { AppError, messageOf } from "../errors.ts";
import { interrupted } from "../runner/wait.ts";
import { type Bundle, bundleOf } from "./bundle.ts";
import { checkTrust, type IndexedEnding, readIndex, type Trust } from "./bundle-file.ts";
import type { ByteReader } from "./chunks.ts";
import { gapsFor } from "./gaps.ts";
import type { NodeContent } from "./needed.ts";
import { stretchesOf } from "./stretches.ts";
import { TRAILER_SIZE } from "./trailer.ts";

/** Milliseconds that a source has to show the end of its bundle: some hundred kilobytes. */
const OPEN_MS = 60_000;

/** Milliseconds that others have when one has: a master that burned must not hold up those who join. */
const LATE_MS = 3_000;

const COPY = "copy the bundle here and name it with --bundle FILE";

/** Somebody who has the bundle: a master, as the join service of it answers. What it sends is compared with digests, so it need not be trusted. */
export interface ByteSource {
  /** For messages, for example the address. */
  name: string;
  /** Bytes of its bundle file. */
  size(signal: AbortSignal): Promise<number>;
  /**
   * Bytes of a range of it; the memory is the caller's to reuse. An error is words alone: who asks adds whom it asked.
   *
   * @throws NotHereError when this source has others, but not these
   */
  read(range: { at: number; size: number }, signal: AbortSignal): Promise<Buffer>;
}

/** A source has not got these bytes, and is as good as before for all others. */
export class NotHereError extends Error {
  override name = "NotHereError";
}

/** A bundle that other nodes have, and who of them. */
export interface RemoteBundle extends IndexedEnding {
  /** Those that have just this bundle. */
  sources: readonly ByteSource[];
}

/** How sources are asked. */
export interface RemoteOptions {
  /** The first good one says which bundle it is. */
  sources: readonly ByteSource[];
  trust: Trust;
  signal: AbortSignal;
  /** Told of sources that are left out, and why. */
  say?: (line: string) => void;
  /** Milliseconds that the others have when the first one has answered. @default {3_000} */
  lateMs?: number;
}

/**
 * Reads the end of the bundle of every source, and judges it as that of a file. Sources with another bundle are left out.
 *
 * @throws AppError when no source is left, with why not; of a single one its own error
 */
export async function openRemote(options: RemoteOptions): Promise<RemoteBundle> {
  const { signal, say = () => {} } = options;
  const answers = await openAll(options);
  if (signal.aborted) throw interrupted("stream the bundle");
  const good = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const failures = answers.flatMap((answer) =>
    answer.status === "rejected" ? [answer.reason as unknown] : [],
  );
  const [first] = good;
  if (!first) throw noneOf(failures);
  const { ending } = first;
  const isSame = (one: typeof first) => one.ending.trailer.indexSha256 === ending.trailer.indexSha256;
  for (const failure of failures) say(`left out: ${messageOf(failure)}`);
  for (const { source } of good.filter((one) => !isSame(one)))
    say(`left out: ${source.name} has another bundle than ${first.source.name}`);
  return { ...ending, sources: good.filter(isSame).map(({ source }) => source) };
}

async function openAll(options: RemoteOptions) {
  const { sources, lateMs = LATE_MS } = options;
  const late = new AbortController();
  let timer: Timer | undefined;
  const answers = await Promise.allSettled(
    sources.map(async (source) => {
      const found = await openOne(source, { ...options, late: late.signal });
      timer ??= setTimeout(
        () => late.abort(new Error(`no answer while others had theirs, and ${lateMs / 1000} s more`)),
        lateMs,
      );
      return found;
    }),
  );
  clearTimeout(timer);
  return answers;
}

async function openOne(
  source: ByteSource,
  { trust, signal: stop, late }: RemoteOptions & { late: AbortSignal },
) {
  const deadline = AbortSignal.timeout(OPEN_MS);
  const signal = AbortSignal.any([stop, deadline, late]);
  const told = async <T>(work: Promise<T>) =>
    await within(work, signal).catch((error: unknown) => {
      const why = deadline.aborted ? `no answer within ${OPEN_MS / 1000} s` : messageOf(error);
      throw unusable(source, why);
    });
  const size = await told(source.size(signal));
  const reader: ByteReader = {
    path: source.name,
    read: (range) => told(readExactly(source, { range, signal })),
  };
  const ending = await readIndex(reader, { size, tail: TRAILER_SIZE });
  if (!ending) throw unusable(source, "it is a program without one");
  checkTrust(ending, trust);
  return { source, ending };
}

function unusable({ name }: ByteSource, why: string): AppError {
  return new AppError(`Cannot stream the bundle of "${name}": ${why}`, { hint: COPY });
}

/**
 * What comes of work, or an error as soon as the signal fires, whatever the work makes of the signal.
 *
 * @throws the reason of the signal
 */
async function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody looks at how it ends when the signal was first.
  work.catch(() => {});
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Bytes of a source, just as many as are asked for. @throws what it throws, the reason of the signal, or that there are more or fewer */
export async function readExactly(
  source: ByteSource,
  { range, signal }: { range: { at: number; size: number }; signal: AbortSignal },
): Promise<Buffer> {
  const bytes = await within(source.read(range, signal), signal);
  if (bytes.length === range.size) return bytes;
  throw new Error(`it sent ${bytes.length} bytes from byte ${range.at} on; expected ${range.size}`);
}

function noneOf(failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  const hint = failures.find((one) => one instanceof AppError && one.hint) as AppError | undefined;
  const why = failures.map((one) => `\n  ${messageOf(one)}`).join("");
  return new AppError(
    `Cannot stream the bundle: none of ${failures.length} sources has one that can be used${why}`,
    {
      hint: hint?.hint ?? COPY,
    },
  );
}

/**
 * A remote bundle as preflight judges it before anything is streamed: its index, and the room that it will take.
 *
 * @param node what the joiner is to be
 */
export function remoteBundle(remote: RemoteBundle, node: NodeContent): Bundle {
  const path = remote.path;
  return bundleOf(remote.index, {
    index: remote.index,
    path,
    fileSize: bytesToStream(remote, node),
    content(entry) {
      throw new AppError(`Cannot read "${entry.name}": the bundle of "${path}" is not streamed yet`);
    },
    // Every byte is compared with its digest when it comes.
    check: async () => [],
    bytesToCheck: () => 0,
  });
}

/** Bytes that such a node has to stream, when nothing of them is there yet. */
export function bytesToStream(remote: IndexedEnding, node: NodeContent): number {
  const gaps = gapsFor(remote.index, node);
  return stretchesOf({ ...remote, gaps }).reduce((sum, { size }) => sum + size, 0);
}
