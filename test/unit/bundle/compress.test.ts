import { describe, expect, test } from "bun:test";
import { open, writeFile } from "node:fs/promises";
import { digestOfRange, packBlob, piecesOf, writeAll } from "../../../src/bundle/compress.ts";
import { CHUNK_SIZE } from "../../../src/bundle/index-format.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { bytesOf } from "../../fake/stack.ts";
import { tmpRoot } from "../../fake/root.ts";
import { refusal } from "./world.ts";

describe("packBlob()", () => {
  test("packs a stretch of a file, and the same bytes every time", async () => {
    await using root = await tmpRoot();
    const file = root.place("/in");
    await writeFile(file, Buffer.concat([bytesOf(1, 1000), bytesOf(2, CHUNK_SIZE + 7), bytesOf(3, 50)]));
    const range = { file, offset: 1000, size: CHUNK_SIZE + 7 };
    const digest = await digestOfRange(range);
    expect(digest).toBe(sha256(bytesOf(2, CHUNK_SIZE + 7)));
    const pack = async (out: string) => {
      await using handle = await open(root.place(out), "w+");
      return await packBlob({ ...range, sha256: digest }, { handle, at: 0, origin: 0, level: 3 });
    };
    expect(await pack("/a")).toEqual(await pack("/b"));
    expect(await root.read("/a")).toBe(await root.read("/b"));
  });

  test("refuses a file that has changed since its digest was made", async () => {
    await using root = await tmpRoot();
    const file = root.place("/in");
    await writeFile(file, "new text");
    await using handle = await open(root.place("/out"), "w+");
    const range = { file, offset: 0, size: 8, sha256: sha256("old text") };
    expect(await refusal(() => packBlob(range, { handle, at: 0, origin: 0, level: 3 }), file)).toBe(
      'Cannot take "FILE" into a bundle: it changed while it was read; run the command again when nobody writes there',
    );
  });

  test("refuses a file that has become shorter", async () => {
    await using root = await tmpRoot();
    const file = root.place("/in");
    await writeFile(file, "cut");
    await using handle = await open(root.place("/out"), "w+");
    const range = { file, offset: 0, size: 3 * CHUNK_SIZE, sha256: sha256("") };
    expect(await refusal(() => packBlob(range, { handle, at: 0, origin: 0, level: 3 }), file)).toContain(
      "missing",
    );
  });
});

test("piecesOf() cuts a stretch into chunks", () => {
  expect(piecesOf({ offset: 5, size: 0 })).toEqual([]);
  expect(piecesOf({ offset: 5, size: CHUNK_SIZE })).toEqual([{ at: 5, size: CHUNK_SIZE }]);
  expect(piecesOf({ offset: 5, size: CHUNK_SIZE + 1 })).toEqual([
    { at: 5, size: CHUNK_SIZE },
    { at: 5 + CHUNK_SIZE, size: 1 },
  ]);
});

test("writeAll() writes all, though the system takes less at once", async () => {
  await using root = await tmpRoot();
  await using handle = await open(root.place("/out"), "w+");
  // What a full pipe or a signal makes of a write.
  const slow = {
    write: (bytes: Uint8Array, offset: number, length: number, at: number) =>
      handle.write(bytes, offset, Math.min(length, 3), at),
  } as typeof handle;
  await writeAll(slow, { bytes: Buffer.from("0123456789"), at: 0 });
  expect(await root.read("/out")).toBe("0123456789");
});
