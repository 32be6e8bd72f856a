import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { open, readdir, readlink, writeFile } from "node:fs/promises";
import { blobChunks, readRange } from "../../../src/bundle/chunks.ts";
import { packBlob } from "../../../src/bundle/compress.ts";
import { type Blob, CHUNK_SIZE } from "../../../src/bundle/index-format.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { bytesOf } from "../../fake/stack.ts";
import { type TmpRoot, tmpRoot } from "../../fake/root.ts";
import { refusal, withBytes } from "./world.ts";

let root: TmpRoot;
beforeAll(async () => {
  root = await tmpRoot();
});
afterAll(() => root[Symbol.asyncDispose]());

/** A file with bytes before a blob, as a bundle has them. */
async function packed(plain: Buffer): Promise<{ path: string; blob: Blob }> {
  const [file, path] = [root.place("/plain"), root.place("/packed")];
  await writeFile(file, plain);
  await writeFile(path, "before");
  await using handle = await open(path, "r+");
  const range = { file, offset: 0, size: plain.length, sha256: sha256(plain) };
  return { path, blob: await packBlob(range, { handle, at: 6, origin: 2, level: 1 }) };
}

const chunksOf = ({ path, blob }: { path: string; blob: Blob }) =>
  Array.fromAsync(blobChunks({ place: path, path, payloadOffset: 2 }, blob), (chunk) =>
    Uint8Array.from(chunk),
  );

/** A blob of chunks that somebody made by hand. */
async function made(chunks: readonly Uint8Array[], plain: { size: number; sha256?: string }) {
  const path = root.place("/made");
  const bytes = Buffer.concat(chunks);
  await writeFile(path, bytes);
  const blob: Blob = {
    sha256: "0".repeat(64),
    ...plain,
    offset: -2,
    stored: bytes.length,
    storedSha256: sha256(bytes),
    chunks: chunks.map((chunk) => [chunk.length, sha256(chunk)]),
  };
  return { path, blob };
}

/** How many handles on a file this process has. */
async function handlesOn(path: string): Promise<number> {
  const names = await readdir("/proc/self/fd");
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => "")));
  return targets.filter((target) => target === path).length;
}

describe("a blob", () => {
  test.each([
    ["nothing", 0, []],
    ["one byte", 1, [1]],
    ["a chunk", CHUNK_SIZE, [CHUNK_SIZE]],
    ["a chunk and a byte", CHUNK_SIZE + 1, [CHUNK_SIZE, 1]],
    ["several chunks", 3 * CHUNK_SIZE + 5, [CHUNK_SIZE, CHUNK_SIZE, CHUNK_SIZE, 5]],
  ])("of %s reads as it was, in pieces no larger than a chunk", async (_, size, sizes) => {
    const plain = bytesOf(1, size);
    const found = await packed(plain);
    const chunks = await chunksOf(found);
    expect(chunks.map(({ length }) => length)).toEqual(sizes);
    expect(createHash("sha256").update(Buffer.concat(chunks)).digest("hex")).toBe(sha256(plain));
    expect(found.blob).toMatchObject({ sha256: sha256(plain), size, offset: 4 });
    const stored = (await Bun.file(found.path).bytes()).subarray(6);
    expect([found.blob.stored, found.blob.storedSha256]).toEqual([stored.length, sha256(stored)]);
    expect(found.blob.chunks.reduce((sum, [bytes]) => sum + bytes, 0)).toBe(stored.length);
  });

  test("gives back the memory of a chunk when the next one is asked for", async () => {
    const { path, blob } = await packed(bytesOf(1, 2 * CHUNK_SIZE));
    const before: Uint8Array[] = [];
    for await (const chunk of blobChunks({ place: path, path, payloadOffset: 2 }, blob)) {
      expect(before.map(({ length }) => length)).toEqual(before.map(() => 0));
      expect(chunk.length).toBe(CHUNK_SIZE);
      before.push(chunk);
    }
    expect(before.length).toBe(2);
  });

  test("names the bytes that are damaged, before a byte of them is given", async () => {
    const found = await packed(bytesOf(1, 2 * CHUNK_SIZE));
    const at = 6 + (found.blob.chunks[0]?.[0] ?? 0);
    await withBytes(found.path, (bytes) => void bytes.writeUInt8((bytes[at + 9] ?? 0) ^ 1, at + 9));
    const pieces: number[] = [];
    const read = async () => {
      const { path, blob } = found;
      for await (const piece of blobChunks({ place: path, path, payloadOffset: 2 }, blob))
        pieces.push(piece.length);
    };
    const end = at + (found.blob.chunks[1]?.[0] ?? 0) - 1;
    expect(await refusal(read, found.path)).toBe(
      `Cannot use the bundle "FILE": bytes ${at}-${end} are damaged or missing; copy it again; nodelet bundle verify names everything that is damaged`,
    );
    expect(pieces).toEqual([CHUNK_SIZE]);
  });

  test("names the bytes that are missing", async () => {
    const found = await packed(bytesOf(1, 5000));
    const end = 6 + found.blob.stored;
    await withBytes(found.path, (bytes) => bytes.subarray(0, end - 10));
    expect(await refusal(() => chunksOf(found), found.path)).toContain(
      `bytes ${end - 10}-${end - 1} are damaged or missing`,
    );
  });

  test("closes its file when the reader ends early, and when it fails", async () => {
    const found = await packed(bytesOf(1, 4 * CHUNK_SIZE));
    const { path, blob } = found;
    for await (const _ of blobChunks({ place: path, path, payloadOffset: 2 }, blob)) {
      expect(await handlesOn(path)).toBe(1);
      break;
    }
    expect(await handlesOn(path)).toBe(0);
    await withBytes(path, (bytes) => bytes.subarray(0, 100));
    await refusal(() => chunksOf(found));
    expect(await handlesOn(path)).toBe(0);
  });
});

describe("what unpacks to something else than the index says", () => {
  const small = Bun.zstdCompressSync(Buffer.alloc(100, "a"));
  const bomb = Bun.zstdCompressSync(Buffer.alloc(64 * 2 ** 20, "a"));
  const unpacking = /^Cannot unpack bytes 0-\d+ of the bundle "FILE": .*; make the bundle again$/;

  test.each([
    ["is larger", bomb, 100],
    ["has another frame behind the right one", Buffer.concat([small, bomb]), 100],
    ["lies about its size", lyingFrame({ said: 100, blocks: 8000 }), 100],
    ["is no frame", Buffer.from("some text that is no frame"), 100],
  ])("and %s is refused at once", async (_, chunk, size) => {
    const found = await made([chunk], { size });
    expect(await refusal(() => chunksOf(found), found.path)).toMatch(unpacking);
  });

  test.each([
    ["is smaller", small, 101],
    ["is cut off", small.subarray(0, -3), 100],
  ])("and %s is refused", async (_, chunk, size) => {
    const found = await made([chunk], { size });
    expect(await refusal(() => chunksOf(found), found.path)).toMatch(unpacking);
  });

  test("and has another digest is refused at its end", async () => {
    const found = await made([small], { size: 100, sha256: sha256("another") });
    const digest = sha256(Buffer.alloc(100, "a"));
    expect(await refusal(() => chunksOf(found), found.path)).toBe(
      `Cannot use the bundle "FILE": content has sha256 ${digest.slice(0, 16)}…; expected ${sha256("another").slice(0, 16)}…; make the bundle again`,
    );
  });

  test("fails a reader of nothing as well", async () => {
    const found = await made([], { size: 0 });
    expect(await refusal(() => chunksOf(found))).toContain("content has sha256 e3b0c44298fc1c14…");
  });
});

/** A frame that says one size in its header, and unpacks to 128 KiB for every block. */
function lyingFrame({ said, blocks }: { said: number; blocks: number }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32LE(0xfd2fb528, 0);
  // A single segment, its size in eight bytes.
  header[4] = 0xe0;
  header.writeBigUInt64LE(BigInt(said), 5);
  const body = Buffer.alloc(blocks * 4, "a");
  for (let at = 0; at < blocks; at++)
    body.writeUIntLE((128 * 1024 * 8) | 2 | Number(at === blocks - 1), at * 4, 3);
  return Buffer.concat([header, body]);
}

test("readRange() reads any range, and nothing of none", async () => {
  await root.write("/range", "0123456789");
  await using handle = await open(root.place("/range"), "r");
  const file = { handle, path: "FILE" };
  expect(String(await readRange(file, { at: 2, size: 3 }))).toBe("234");
  expect((await readRange(file, { at: 100, size: 0 })).length).toBe(0);
  expect(await refusal(() => readRange(file, { at: 8, size: 5 }))).toContain(
    "bytes 10-12 are damaged or missing",
  );
});
