import type { ServerResponse } from "node:http";
import type { ServedAnswer } from "./serve.ts";

/** Milliseconds that a reader may take for a piece. Whoever takes nothing holds an open file, a buffer and a connection. */
const STALL_MS = 30_000;

/**
 * Sends an answer of the bundle server, as fast as its reader takes it. A reader that takes nothing any more is hung up on.
 *
 * @param options `stallMs`: milliseconds without progress. @default {30_000}
 * @returns false when the connection was closed before the end: the reader went, or took nothing, or the file could not be read
 */
export async function sendAnswer(
  response: ServerResponse,
  answer: ServedAnswer,
  { stallMs = STALL_MS }: { stallMs?: number } = {},
): Promise<boolean> {
  const gone = Promise.withResolvers<"gone">();
  response.once("close", () => gone.resolve("gone"));
  response.once("error", () => gone.resolve("gone"));
  response.writeHead(answer.status, answer.headers);
  try {
    for await (const piece of answer.body) {
      // The piece is reused for the next one, so it must have left before that is asked for.
      const sent = new Promise<"sent" | "gone">((resolve) =>
        response.write(piece, (error) => resolve(error ? "gone" : "sent")),
      );
      // Closes the connection, and so ends the waiting.
      const stall = setTimeout(() => response.destroy(), stallMs);
      const outcome = await Promise.race([sent, gone.promise]);
      clearTimeout(stall);
      if (outcome === "gone") return false;
    }
    response.end();
    return true;
  } catch {
    // The length is said already: only an end of the connection tells the reader that this is no whole answer.
    response.destroy();
    return false;
  }
}
