import { codeOf } from "../errors.ts";
import { release } from "./chunks.ts";
import { quoted } from "./quoted.ts";
import { type ByteSource, NotHereError } from "./remote.ts";

/** Milliseconds without a byte after which a source is given up. */
const STALL_MS = 15_000;

/** The most that is read of what a source says about an error, in bytes. */
const WORDS = 300;

/** Where a bundle is served, and how its server is talked to. */
export interface HttpSourceOptions {
  name: string;
  /** For example `https://10.0.0.4:6442/v1/bundle`. */
  url: string;
  /** Credentials: `tls` and `headers`, as for `fetch`. */
  init?: { tls?: NonNullable<BunFetchRequestInit["tls"]>; headers?: Record<string, string> };
  /** @default {15_000} */
  stallMs?: number;
}

/** Range and the bytes that a source is asked for. */
type Range = { at: number; size: number };

/** The bundle of another node, asked for by ranges. Once its size is known, only the file of that size is taken: its tag must stay the same. */
export function httpSource({ name, url, init, stallMs = STALL_MS }: HttpSourceOptions): ByteSource {
  let tag: string | undefined;
  const ask = async <T>(
    method: string,
    {
      headers,
      signal,
      use,
    }: {
      headers: Record<string, string>;
      signal: AbortSignal;
      use: (response: Response, alive: () => void) => Promise<T>;
    },
  ): Promise<T> => {
    const stall = new AbortController();
    const begin = () => setTimeout(() => stall.abort(), stallMs);
    let timer = begin();
    const alive = () => {
      clearTimeout(timer);
      timer = begin();
    };
    try {
      const response = await fetch(url, {
        ...init,
        method,
        headers: { ...init?.headers, ...headers },
        redirect: "error",
        // What is sent is compared with digests; nothing of it is to become more.
        decompress: false,
        signal: AbortSignal.any([signal, stall.signal]),
      });
      return await use(response, alive);
    } catch (error) {
      if (stall.signal.aborted) throw new Error(`nothing came for ${stallMs / 1000} s`);
      throw codeOf(error) === undefined ? error : new Error(codeOf(error));
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    name,
    size: (signal) =>
      ask("HEAD", {
        headers: {},
        signal,
        async use({ status, headers }) {
          const size = Number(headers.get("content-length") ?? Number.NaN);
          if (status !== 200 || !Number.isSafeInteger(size))
            throw new Error(`it answers ${status} without a size`);
          tag = headers.get("etag") ?? undefined;
          return size;
        },
      }),
    read: (range, signal) =>
      ask("GET", {
        headers: { range: headerOf(range), ...(tag && { "if-match": tag }) },
        signal,
        async use(response, alive) {
          if (response.status === 206) return await bodyOf(response, { range, alive });
          const words = await wordsOf(response);
          if (response.status === 404) throw new NotHereError(words);
          throw new Error(`it answers ${response.status}: ${words}`);
        },
      }),
  };
}

function headerOf({ at, size }: Range): string {
  return `bytes=${at}-${at + size - 1}`;
}

async function bodyOf(
  response: Response,
  { range, alive }: { range: Range; alive: () => void },
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(range.size);
  let read = 0;
  for await (const piece of response.body ?? []) {
    alive();
    if (read + piece.length > range.size)
      throw new Error(`it sends more than the ${range.size} bytes asked for`);
    bytes.set(piece, read);
    read += piece.length;
    release(piece);
  }
  if (read < range.size) throw new Error(`it sent ${read} of ${range.size} bytes`);
  return bytes;
}

/** What a source says, short and without anything that a terminal obeys. */
async function wordsOf(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length >= WORDS) break;
  }
  return quoted(text.trim());
}
