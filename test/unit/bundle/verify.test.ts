import { describe, expect, test } from "bun:test";
import { truncate } from "node:fs/promises";
import type { BundleFile } from "../../../src/bundle/bundle-file.ts";
import { CHUNK_SIZE } from "../../../src/bundle/index-format.ts";
import { bytesToVerify, verifyBundleFile } from "../../../src/bundle/verify.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { bytesOf, SHARED_LAYER } from "../../fake/stack.ts";
import { bundleWorld, withBytes } from "./world.ts";

const LARGE = bytesOf(9, 2 * CHUNK_SIZE + 100);

/** Where the content with a digest lies, in bytes from the start of the file. */
function placeOf({ index, trailer }: BundleFile, digest: string) {
  const blob = index.blobs.find((one) => one.sha256 === digest);
  if (!blob) throw new Error("no blob");
  const at = trailer.payloadOffset + blob.offset;
  return { at, end: at + blob.stored, chunks: blob.chunks.map(([bytes]) => bytes) };
}

const flip = (path: string, ...places: number[]) =>
  withBytes(path, (bytes) => {
    for (const at of places) bytes.writeUInt8((bytes[at] ?? 0) ^ 0x80, at);
  });

describe("verifyBundleFile()", () => {
  test("finds nothing in a good file, and reads all before its index", async () => {
    await using t = await bundleWorld({ large: LARGE });
    const file = await t.create({ program: await t.program() });
    let read = 0;
    expect(await verifyBundleFile(file, { onBytes: (bytes) => (read += bytes) })).toEqual([]);
    expect([read, bytesToVerify(file)]).toEqual([file.trailer.indexOffset, file.trailer.indexOffset]);
  });

  test("names bytes and entries of everything that is damaged, and neighbours once", async () => {
    await using t = await bundleWorld({ large: LARGE });
    const file = await t.create({ program: await t.program() });
    const shared = placeOf(file, sha256(SHARED_LAYER));
    const large = placeOf(file, sha256(LARGE));
    const [first = 0, second = 0] = large.chunks;
    await flip(file.path, 4999, shared.at, large.at, large.at + first + second - 1);
    expect(await verifyBundleFile(file)).toEqual([
      { first: 0, last: 4999, parts: ["program"] },
      { first: shared.at, last: shared.end - 1, parts: ["kube-apiserver", "kube-scheduler"] },
      { first: large.at, last: large.at + first + second - 1, parts: ["large"] },
    ]);
  });

  test("keeps stretches apart between which all is well", async () => {
    await using t = await bundleWorld({ large: LARGE });
    const file = await t.create();
    const { at, end, chunks } = placeOf(file, sha256(LARGE));
    await flip(file.path, at, end - 1);
    expect(await verifyBundleFile(file)).toEqual([
      { first: at, last: at + (chunks[0] ?? 0) - 1, parts: ["large"] },
      { first: end - (chunks[2] ?? 0), last: end - 1, parts: ["large"] },
    ]);
  });

  test("looks only at what is asked for", async () => {
    await using t = await bundleWorld();
    const file = await t.create({ program: await t.program() });
    const [kubelet, image] = ["kubelet", "kube-scheduler"].map((name) =>
      file.index.entries.find((entry) => entry.name === name),
    );
    if (!kubelet || !image) throw new Error("no such entries");
    await flip(file.path, 0, placeOf(file, sha256(SHARED_LAYER)).at);
    expect(await verifyBundleFile(file, { only: [kubelet] })).toEqual([]);
    expect(
      (await verifyBundleFile(file, { only: [kubelet], program: true })).map(({ parts }) => parts),
    ).toEqual([["program"]]);
    expect((await verifyBundleFile(file, { only: [image] })).map(({ parts }) => parts)).toEqual([
      ["kube-scheduler"],
    ]);
    expect(bytesToVerify(file, { only: [] })).toBe(0);
  });

  test("what is gone since the file was opened is damaged", async () => {
    await using t = await bundleWorld();
    const file = await t.create();
    await truncate(file.path, file.trailer.indexOffset - 1);
    const found = await verifyBundleFile(file);
    expect(found.map(({ last, parts }) => [last, parts])).toEqual([
      [file.trailer.indexOffset - 1, ["docker.io"]],
    ]);
  });
});
