import type { ServerResponse } from "node:http";
import type { ServedAnswer } from "./serve.ts";

/**
 * Sends an answer of the bundle server, as fast as its reader takes it.
 *
 * @returns false when the connection was closed before the end: the reader went, or the file could not be read
 */
export async function sendAnswer(response: ServerResponse, answer: ServedAnswer): Promise<boolean> {
  const gone = Promise.withResolvers<"gone">();
  response.once("close", () => gone.resolve("gone"));
  response.once("error", () => gone.resolve("gone"));
  response.writeHead(answer.status, answer.headers);
  try {
    for await (const piece of answer.body) {
      // The piece is reused for the next one, so it must have left before that is asked for.
      const sent = new Promise<void>((resolve) => response.write(piece, () => resolve()));
      if ((await Promise.race([sent, gone.promise])) === "gone") return false;
    }
    response.end();
    return true;
  } catch {
    // The length is said already: only an end of the connection tells the reader that this is no whole answer.
    response.destroy();
    return false;
  }
}
