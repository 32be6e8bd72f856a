import { expect, test } from "bun:test";
import type { Content } from "../../../src/bundle/content.ts";
import { loadArchive } from "../../../src/docker/load-archive.ts";
import { tmpRoot } from "../../fake/root.ts";

const MIB = 2 ** 20;

/** An engine that takes an archive slowly, or only its beginning. */
function engine(socket: string, take: (bytes: Uint8Array) => Promise<boolean>) {
  return Bun.serve({
    unix: socket,
    maxRequestBodySize: 2 ** 32,
    async fetch(request) {
      for await (const bytes of request.body as unknown as AsyncIterable<Uint8Array>)
        if (!(await take(bytes))) return new Response("no room", { status: 500 });
      return new Response("{}");
    },
  });
}

/** Pieces of one MiB, each spoilt when the next one is asked for, as those of a bundle are. */
function spoilt(count: number) {
  const told = { ended: false };
  const archive: Content = {
    size: count * MIB,
    async *stream() {
      try {
        for (let at = 0; at < count; at++) {
          const piece = Buffer.alloc(MIB, at);
          yield piece;
          piece.fill(0xff);
        }
      } finally {
        told.ended = true;
      }
    },
  };
  return { archive, told };
}

test("a piece is used before the next one is asked for, however slow the engine is", async () => {
  await using root = await tmpRoot();
  const socket = root.place("/docker.sock");
  const hash = new Bun.CryptoHasher("sha256");
  await using _server = engine(socket, async (bytes) => {
    hash.update(bytes);
    // Others have their turn, so that pieces wait.
    await new Promise((resolve) => setImmediate(resolve));
    return true;
  });
  const { archive, told } = spoilt(60);
  await loadArchive({ socket, archive, name: "x" });
  const wanted = new Bun.CryptoHasher("sha256");
  for (let at = 0; at < 60; at++) wanted.update(Buffer.alloc(MIB, at));
  expect(hash.digest("hex")).toBe(wanted.digest("hex"));
  expect(told.ended).toBe(true);
});

test("an engine that takes no more ends the reading of the archive, and is quoted", async () => {
  await using root = await tmpRoot();
  const socket = root.place("/docker.sock");
  let taken = 0;
  await using _server = engine(socket, async (bytes) => (taken += bytes.length) < 3 * MIB);
  const { archive, told } = spoilt(500);
  await expect(loadArchive({ socket, archive, name: "x" })).rejects.toThrow(
    'Cannot load the image "x": Docker says: no room',
  );
  // The test's deadline ends the waiting.
  while (!told.ended) await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBeLessThan(500 * MIB);
});

test("a disk that is full on the engine's side is told with the way out", async () => {
  await using root = await tmpRoot();
  const socket = root.place("/docker.sock");
  const words = "write /layer.tar: no space left on device";
  await using _server = Bun.serve({
    unix: socket,
    fetch: () => new Response(JSON.stringify({ errorDetail: { message: words }, error: words })),
  });
  const { archive } = spoilt(1);
  await expect(loadArchive({ socket, archive, name: "x" })).rejects.toMatchObject({
    message: `Cannot load the image "x": Docker says: ${words}`,
    hint: "free space on the file system of Docker's data and run the command again",
  });
});
