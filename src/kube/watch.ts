import { linesOf } from "../lines.ts";
import type { KubeObject } from "./client.ts";

/** A change of an object. After an `ERROR`, whose object says why, the collection must be listed again. */
export interface KubeEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: KubeObject;
}

/** From where on, and for how long. */
export interface WatchOptions {
  /** Of the list, or of the last event. */
  resourceVersion: string;
  /** The server ends the stream after so many; a connection that does not end then is dead. */
  seconds: number;
}

/** How much longer than asked for a stream may last, in milliseconds. */
const GRACE_MS = 5_000;

/**
 * The events of one watch, in the form of the API: a line of JSON each. A refusal comes as an event of the type `ERROR`, as
 * the server itself tells of one later on.
 *
 * @throws what `fetch` throws: a connection that cannot be made, breaks, or is silent for longer than it may be
 */
export async function* watchStream(options: {
  url: string;
  tls: { ca: string; cert: string; key: string };
  seconds: number;
  signal: AbortSignal;
}): AsyncGenerator<KubeEvent> {
  const { url, tls, seconds, signal } = options;
  // Of its own for each stream, so that the signal of the whole watch does not gather what belongs to streams long gone.
  const stream = new AbortController();
  const stop = () => stream.abort();
  const late = setTimeout(stop, seconds * 1000 + GRACE_MS);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const response = await fetch(url, { tls, keepalive: false, signal: stream.signal });
    if (!response.ok) yield { type: "ERROR", object: parse<KubeObject>(await response.text()) ?? NAMELESS };
    else if (response.body) yield* eventsOf(response.body);
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", stop);
    // Closes the connection of a stream that its reader leaves before its end.
    stream.abort();
  }
}

const NAMELESS: KubeObject = { metadata: { name: "" } };

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<KubeEvent> {
  for await (const line of linesOf(body)) {
    const event = parse<KubeEvent>(line);
    if (event?.type && event.object) yield event;
  }
}

/** Undefined for a line that was cut off by the end of its server. */
function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
