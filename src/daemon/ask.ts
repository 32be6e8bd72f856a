import type { NodeView } from "./view.ts";

/** The daemon answers from what it knows; this long it may be busy, in milliseconds. */
const ANSWER_MS = 2_000;

/** Asks the daemon for its view of the node. @returns undefined when none answers on the socket */
export async function askDaemon(socket: string): Promise<NodeView | undefined> {
  try {
    const response = await fetch("http://nodelet/status", {
      unix: socket,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return response.ok ? ((await response.json()) as NodeView) : undefined;
  } catch {
    return undefined;
  }
}
