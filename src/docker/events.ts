import { systemClock } from "../ctx.ts";
import { codeOf, messageOf } from "../errors.ts";
import { linesOf } from "../lines.ts";
import { DOCKER_SOCKET } from "./api.ts";

/** What can happen to a container that its keeper wants to know of. */
const ACTIONS = ["die", "destroy", "oom", "pause", "unpause"] as const;

/** An engine that takes the connection and says nothing for this long is stuck. Milliseconds. */
const OPEN_TIMEOUT_MS = 30_000;

/** Between two attempts to reach an engine that is gone: from the first, doubled up to the second. Milliseconds. */
const RETRY_MS = { first: 250, longest: 2000 };

/** Something that happened to a container. */
export interface ContainerEvent {
  action: (typeof ACTIONS)[number];
  name: string;
  id: string;
  labels: Record<string, string>;
}

/** What is watched, and who is told. None of the functions may throw. */
export interface ContainerWatch {
  /** @default {DOCKER_SOCKET} */
  socket?: string;
  /** Ends the watch. */
  signal: AbortSignal;
  onEvent(event: ContainerEvent): void;
  /** The engine does not answer (any more); told once until it is back. */
  onGone(reason: string): void;
  /** The engine answers again. What happened meanwhile is not told: look for yourself. */
  onBack(): void;
}

/**
 * Follows what happens to containers, whatever happens to the engine: an engine that goes, or is not there yet, is asked
 * again until it answers.
 *
 * @returns when the signal fires, and not before; never rejects
 */
export async function watchContainers(watch: ContainerWatch): Promise<void> {
  const { signal } = watch;
  let gone = false;
  let delay = RETRY_MS.first;
  const onOpen = () => {
    delay = RETRY_MS.first;
    if (gone) watch.onBack();
    gone = false;
  };
  while (!signal.aborted) {
    const reason = await followStream(watch, onOpen);
    if (signal.aborted) return;
    if (!gone) watch.onGone(reason);
    gone = true;
    await systemClock.sleep(delay, signal);
    delay = Math.min(delay * 2, RETRY_MS.longest);
  }
}

/** Follows one stream of events to its end. @returns why it ended */
async function followStream(watch: ContainerWatch, onOpen: () => void): Promise<string> {
  const { signal, socket = DOCKER_SOCKET } = watch;
  // Of its own for each stream, so that the signal of the whole watch does not gather what belongs to streams long gone.
  const stream = new AbortController();
  const stop = () => stream.abort();
  const opening = setTimeout(stop, OPEN_TIMEOUT_MS);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const response = await openStream(socket, stream.signal);
    clearTimeout(opening);
    if (!response.ok) return `it says: ${(await response.text()).trim()}`;
    onOpen();
    if (response.body) for await (const line of linesOf(response.body)) tell(line, watch);
    return "the stream of events ended";
  } catch (error) {
    if (stream.signal.aborted) return `it says nothing on "${socket}"`;
    const silent = ["ENOENT", "ECONNREFUSED", "FailedToOpenSocket"].includes(codeOf(error) ?? "");
    return silent ? `nobody listens on "${socket}"` : (codeOf(error) ?? messageOf(error));
  } finally {
    clearTimeout(opening);
    signal.removeEventListener("abort", stop);
    // Closes the connection of a stream that we leave before its end.
    stream.abort();
  }
}

function openStream(socket: string, signal: AbortSignal): Promise<Response> {
  const filters = encodeURIComponent(JSON.stringify({ type: ["container"], event: ACTIONS }));
  // Nothing may happen for days, and that is no reason to end the stream: hence no timeout.
  return fetch(`http://docker/events?filters=${filters}`, { unix: socket, signal, timeout: false });
}

/** What the engine writes for an event; the attributes are the labels and some facts. */
interface EventLine {
  Action?: string;
  Actor?: { ID?: string; Attributes?: Record<string, string> };
}

function tell(line: string, watch: ContainerWatch): void {
  const { Action, Actor } = parsed(line);
  const action = ACTIONS.find((known) => known === Action);
  if (!action || !Actor?.ID) return;
  const { name = "", ...labels } = Actor.Attributes ?? {};
  watch.onEvent({ action, name, id: Actor.ID, labels });
}

function parsed(line: string): EventLine {
  try {
    return JSON.parse(line) as EventLine;
  } catch {
    // An empty line, or one that was cut off by the end of its engine.
    return {};
  }
}
