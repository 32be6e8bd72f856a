import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gapsFor, writeGaps } from "../../../src/bundle/gaps.ts";
import { httpSource } from "../../../src/bundle/http-source.ts";
import { NotHereError } from "../../../src/bundle/remote.ts";
import { sendAnswer } from "../../../src/bundle/send-answer.ts";
import {
  bundleServer,
  LARGEST_RANGE,
  type ServedAnswer,
  type ServedRequest,
} from "../../../src/bundle/serve.ts";
import { bytesOf } from "../../fake/stack.ts";
import { bundleWorld, refusal } from "./world.ts";

const WORKER = { role: "worker", runtime: "bundled", networkPlugin: "bridge" } as const;

/** A bundle behind a program, and its server. */
async function setUp() {
  const t = await bundleWorld({ large: bytesOf(9, 5 * 2 ** 20) });
  const file = await t.create({ program: await t.program() });
  const bytes = Buffer.from(await Bun.file(file.path).bytes());
  const serve = bundleServer([t.root.place("/installed"), file.path]);
  const get = (range?: string, more: Partial<ServedRequest["headers"]> = {}) =>
    serve({ headers: { ...(range && { range }), ...more } });
  return { ...t, file, bytes, serve, get, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() };
}

async function bodyOf({ body }: ServedAnswer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

describe("bundleServer()", () => {
  test("answers a range with its bytes, and HEAD with size and tag", async () => {
    await using t = await setUp();
    const etag = `"${t.file.trailer.indexSha256}"`;
    const last = t.bytes.length - 1;
    for (const [first, end] of [
      [0, 0],
      [0, last],
      [4990, 700_000],
      [last, last],
    ] as const) {
      const answer = await t.get(`bytes=${first}-${end}`, { "if-match": etag });
      expect(answer.status).toBe(206);
      expect(answer.headers).toEqual({
        "accept-ranges": "bytes",
        "content-type": "application/octet-stream",
        "content-range": `bytes ${first}-${end}/${t.bytes.length}`,
        "content-length": `${end - first + 1}`,
        etag,
      });
      expect((await bodyOf(answer)).equals(t.bytes.subarray(first, end + 1))).toBe(true);
    }
    const head = await t.serve({ method: "HEAD", headers: {} });
    expect([head.status, head.headers["content-length"], head.headers.etag]).toEqual([
      200,
      `${t.bytes.length}`,
      etag,
    ]);
    expect((await bodyOf(head)).length).toBe(0);
  });

  test.each<[string, string | undefined, string]>([
    ["no range", undefined, "the range is nothing; expected one, bytes=FIRST-LAST"],
    ["several ranges", "bytes=0-1,4-5", 'the range is "bytes=0-1,4-5"; expected one, bytes=FIRST-LAST'],
    ["a range without end", "bytes=5-", 'the range is "bytes=5-"; expected one, bytes=FIRST-LAST'],
    ["the last bytes", "bytes=-5", 'the range is "bytes=-5"; expected one, bytes=FIRST-LAST'],
    ["another unit", "lines=0-5", 'the range is "lines=0-5"; expected one, bytes=FIRST-LAST'],
    ["a negative range", "bytes=5-4", 'the range is "bytes=5-4"; expected bytes of 0-LAST'],
    [
      "bytes behind the end",
      "bytes=0-999999999",
      'the range is "bytes=0-999999999"; expected bytes of 0-LAST',
    ],
    [
      "a number that overflows",
      `bytes=0-${2n ** 64n}`,
      'the range is "bytes=0-18446744073709551616"; expected one, bytes=FIRST-LAST',
    ],
    ["what a terminal obeys", "\x1b[2J", 'the range is "\\u{1b}[2J"; expected one, bytes=FIRST-LAST'],
  ])("refuses %s", async (_, range, what) => {
    await using t = await setUp();
    const answer = await t.get(range);
    expect([answer.status, (await bodyOf(answer)).toString()]).toEqual([
      416,
      `${what.replace("LAST'", "").replace("0-LAST", `0-${t.bytes.length - 1}`)}\n`,
    ]);
    expect(answer.headers["content-range"]).toBe(`bytes */${t.bytes.length}`);
  });

  test("refuses more than one request may ask for", async () => {
    await using t = await bundleWorld({ large: randomBytes(LARGEST_RANGE) });
    const serve = bundleServer([(await t.create()).path]);
    const answer = await serve({ headers: { range: `bytes=0-${LARGEST_RANGE}` } });
    expect([answer.status, (await bodyOf(answer)).toString()]).toEqual([
      416,
      "the range has 16777217 bytes; expected at most 16777216\n",
    ]);
    expect((await serve({ headers: { range: `bytes=1-${LARGEST_RANGE}` } })).status).toBe(206);
  });

  test("refuses other methods, and tells when there is no bundle, or another one than asked for", async () => {
    await using t = await setUp();
    expect((await t.serve({ method: "POST", headers: {} })).status).toBe(405);
    const other = await t.get("bytes=0-1", { "if-match": '"other"' });
    expect([other.status, (await bodyOf(other)).toString()]).toEqual([
      412,
      "this node has another bundle now\n",
    ]);
    for (const place of [t.root.place("/none"), await t.program()]) {
      const none = await bundleServer([place])({ headers: { range: "bytes=0-1" } });
      expect([none.status, (await bodyOf(none)).toString()]).toEqual([503, "this node has no bundle file\n"]);
    }
  });

  test("never gives a hole for content", async () => {
    await using t = await setUp();
    await writeGaps(t.file.path, {
      ...gapsFor(t.file.index, WORKER),
      index: t.file.trailer.indexSha256,
    });
    const { payloadOffset, indexOffset } = t.file.trailer;
    const statusOf = async (at: number, size: number) => (await t.get(`bytes=${at}-${at + size - 1}`)).status;
    expect(await statusOf(0, 1)).toBe(404);
    expect(await statusOf(payloadOffset - 1, 2)).toBe(404);
    expect(await statusOf(indexOffset, 100)).toBe(206);
    const place = (name: string) => {
      const image = t.file.index.entries.find((entry) => entry.name === name && entry.kind === "image");
      const id = image?.kind === "image" ? image.imageId.slice(7) : "";
      const blob = t.file.index.blobs.find(({ sha256 }) => sha256 === id);
      return [payloadOffset + (blob?.offset ?? 0), blob?.stored ?? 0] as const;
    };
    expect(await statusOf(...place("etcd"))).toBe(404);
    expect(await statusOf(...place("kube-proxy"))).toBe(206);
    const answer = await t.get("bytes=0-9");
    expect((await bodyOf(answer)).toString()).toBe(
      "bytes 0-9 are not all on this node: it streamed only what it needs\n",
    );
  });

  test("serves a file that took the place of another one, and does not mix the two", async () => {
    await using t = await setUp();
    const before = await t.get("bytes=0-9");
    const other = await t.create({ name: "other.bundle" });
    await rename(other.path, t.file.path);
    expect(await refusal(() => bodyOf(before), t.file.path)).toStartWith(
      'Cannot serve the bundle "FILE": it was replaced',
    );
    const after = await t.get("bytes=0-9");
    expect([after.status, after.headers.etag]).toEqual([206, `"${other.trailer.indexSha256}"`]);
  });
});

/** A server that answers as it is told, and a source that asks it. */
async function online(
  answer: (request: {
    method: string;
    headers: Record<string, string>;
  }) => ServedAnswer | Promise<ServedAnswer>,
  stallMs = 15_000,
) {
  const asked: { method: string; headers: Record<string, string> }[] = [];
  const ended: Promise<boolean>[] = [];
  const server = createServer((request, response) => {
    const one = { method: request.method ?? "", headers: request.headers as Record<string, string> };
    asked.push(one);
    ended.push((async () => await sendAnswer(response, await answer(one)))());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/bundle`;
  return {
    asked,
    ended,
    source: httpSource({ name: "m1", url, stallMs, init: { headers: { authorization: "Bearer x" } } }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const NEVER = new AbortController().signal;

/** What a request fails with. */
async function wordsOf(work: () => Promise<unknown>): Promise<string> {
  return await work().then(
    () => "nothing was refused",
    (error: Error) => error.message,
  );
}

/** An answer of a server that need not be ours. */
function answered(
  status: number,
  { headers = {}, body = [] }: { headers?: Record<string, string>; body?: Uint8Array[] },
) {
  return {
    status,
    headers,
    body: (async function* () {
      yield* body;
    })(),
  };
}

describe("httpSource()", () => {
  test("gets from the server what is in the file, with the credentials and the tag", async () => {
    await using t = await setUp();
    await using net = await online((request) => t.serve(request));
    expect(await net.source.size(NEVER)).toBe(t.bytes.length);
    const bytes = await net.source.read({ at: 4000, size: 2_000_000 }, NEVER);
    expect(bytes.equals(t.bytes.subarray(4000, 2_004_000))).toBe(true);
    expect(
      net.asked.map(({ method, headers }) => [
        method,
        headers.authorization,
        headers["if-match"],
        headers.range,
      ]),
    ).toEqual([
      ["HEAD", "Bearer x", undefined, undefined],
      ["GET", "Bearer x", `"${t.file.trailer.indexSha256}"`, "bytes=4000-2003999"],
    ]);
    expect(await Promise.all(net.ended)).toEqual([true, true]);
  });

  test("knows what a node has not got from what it does wrong", async () => {
    await using t = await setUp();
    await writeGaps(t.file.path, { ...gapsFor(t.file.index, WORKER), index: t.file.trailer.indexSha256 });
    await using net = await online((request) => t.serve(request));
    await expect(net.source.read({ at: 0, size: 10 }, NEVER)).rejects.toBeInstanceOf(NotHereError);
    expect(await wordsOf(() => net.source.read({ at: 10 ** 12, size: 10 }, NEVER))).toStartWith(
      'it answers 416: "the range is ',
    );
  });

  test.each<[string, ServedAnswer, string]>([
    ["a refusal", answered(403, { body: [Buffer.from("no \x1b[2J\n")] }), 'it answers 403: "no \\u{1b}[2J"'],
    ["all of the file", answered(200, { body: [new Uint8Array(20)] }), "it answers 200: "],
    [
      "more than asked for",
      answered(206, { body: [new Uint8Array(20)] }),
      "it sends more than the 10 bytes asked for",
    ],
    ["less than asked for", answered(206, { body: [new Uint8Array(9)] }), "it sent 9 of 10 bytes"],
    ["another place", answered(302, { headers: { location: "http://127.0.0.1:9/" } }), "UnexpectedRedirect"],
  ])("refuses %s", async (_, answer, what) => {
    await using net = await online(() => answer);
    expect(await wordsOf(() => net.source.read({ at: 0, size: 10 }, NEVER))).toMatch(what);
    expect(net.asked.length).toBe(1);
  });

  test.each([
    ["a size that is none", answered(200, { headers: { etag: '"x"' } })],
    ["an error", answered(500, {})],
  ])("refuses %s for the size", async (_, answer) => {
    await using net = await online(() => answer);
    expect(await wordsOf(() => net.source.size(NEVER))).toMatch(/^it answers \d+ without a size/);
  });

  test("gives up a server that falls silent, and one that nobody reaches", async () => {
    const silence = Promise.withResolvers<never>();
    await using net = await online(
      () => ({
        status: 206,
        headers: { "content-length": "10" },
        body: (async function* () {
          yield new Uint8Array(3);
          await silence.promise;
        })(),
      }),
      20,
    );
    expect(await wordsOf(() => net.source.read({ at: 0, size: 10 }, NEVER))).toStartWith(
      "nothing came for 0.02 s",
    );
    const nobody = httpSource({ name: "m2", url: "http://127.0.0.1:1/v1/bundle" });
    expect(await wordsOf(() => nobody.size(NEVER))).toMatch(/refused/i);
  });

  test("a file that ends while it is sent is no whole answer", async () => {
    await using net = await online(() => ({
      status: 206,
      headers: { "content-length": "10" },
      body: (async function* () {
        yield new Uint8Array(3);
        throw new Error("EIO");
      })(),
    }));
    expect(await wordsOf(() => net.source.read({ at: 0, size: 10 }, NEVER))).toMatch(/^ECONNRESET$/);
    expect(await Promise.all(net.ended)).toEqual([false]);
  });
});
