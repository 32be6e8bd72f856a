import type { Content } from "../bundle/content.ts";
import { AppError } from "../errors.ts";
import { asking } from "./api.ts";

/** How the kernel's ENOSPC reads in the words of the engine. */
const NO_SPACE = "no space left on device";
const MAKE_ROOM = "free space on the file system of Docker's data and run the command again";

/**
 * Streams an image archive into the engine with fetch: measured at less than half of the memory that dockerode's own way
 * takes, and a little faster. It has no deadline: gigabytes may come from a slow disk.
 *
 * @param options `name`: of the image, for messages
 * @throws AppError with what the engine says, also when it says so in a good answer, or with what is wrong with the archive
 */
export async function loadArchive(options: {
  socket: string;
  archive: Content;
  name: string;
}): Promise<void> {
  const { socket, archive, name } = options;
  const action = `load the image "${name}"`;
  // A body that fails is only a broken connection to fetch; what it failed of is kept for the message.
  const { body, failure } = bodyOf(archive);
  await asking({ action, socket }, async () => {
    const response = await fetch("http://docker/images/load?quiet=1", {
      unix: socket,
      method: "POST",
      headers: { "content-type": "application/x-tar" },
      body,
    }).catch((error: unknown) => {
      throw failure() ?? error;
    });
    const text = await response.text();
    const said = loadFailure(text);
    if (failure()) throw failure();
    if (response.ok && !said) return;
    const words = said ?? text.trim();
    throw new AppError(
      `Cannot ${action}: Docker says: ${words}`,
      words.includes(NO_SPACE) ? { hint: MAKE_ROOM } : {},
    );
  });
}

/** Pieces only as fast as the engine takes them: fetch has sent or copied one when it asks for the next. A file is sent as it is. */
function bodyOf(archive: Content): { body: AsyncIterable<Uint8Array> | Bun.BunFile; failure(): unknown } {
  if (archive.file) return { body: Bun.file(archive.file), failure: () => undefined };
  let failure: unknown;
  async function* pieces() {
    try {
      for await (const piece of archive.stream()) if (piece.length > 0) yield piece;
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  return { body: pieces(), failure: () => failure };
}

/** The engine answers with 200 and a line of JSON for each step; a failure is one of the lines. */
function loadFailure(text: string): string | undefined {
  const quoted = /"error":("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  return quoted === undefined ? undefined : (JSON.parse(quoted) as string);
}
