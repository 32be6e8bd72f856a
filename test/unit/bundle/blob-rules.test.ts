import { describe, expect, test } from "bun:test";
import { CHUNK_SIZE, type PackedIndex } from "../../../src/bundle/index-format.ts";
import { digestsOf, parsePackedIndex } from "../../../src/bundle/index-rules.ts";
import { binaryEntry, imageEntry } from "../../fake/bundle.ts";
import { indexRefusal } from "./world.ts";

const OTHER = "0".repeat(64);

/** A small index of a bundle file: a program of two chunks, and an image of two layers; 100 bytes before, 60 of payload. */
function packed(): PackedIndex {
  const digest = (digit: string) => digit.repeat(64);
  const blob = (digit: string, at: number, size = 10) => ({
    sha256: digest(digit),
    size,
    offset: at,
    stored: 20,
    storedSha256: OTHER,
    chunks: [[20, OTHER]] as [number, string][],
  });
  const image = {
    ...imageEntry("etcd"),
    imageId: `sha256:${digest("a")}`,
    layers: [digest("b"), digest("c"), digest("b")],
    size: 40,
  };
  return {
    format: 2,
    name: "test-1.20.2",
    platform: "linux/amd64",
    requires: [],
    chunkSize: CHUNK_SIZE,
    program: { size: 100, sha256: OTHER, chunks: [OTHER] },
    entries: [image as never],
    blobs: [blob("a", 0), blob("b", 20), blob("c", 40)],
  };
}

const parsePacked = (change: (index: any) => void = () => {}, file = { program: 100, payload: 60 }) => {
  const index = packed();
  change(index);
  return parsePackedIndex(JSON.stringify(index), { from: "FILE", ...file });
};

describe("parsePackedIndex()", () => {
  test("takes what is made", () => {
    expect(parsePacked()).toEqual(packed());
  });

  test("takes a bundle that is a file of its own, and one with nothing in it", () => {
    const alone = parsePacked((index) => delete index.program, { program: 0, payload: 60 });
    expect(alone.program).toBeUndefined();
    const empty = parsePacked(
      (index) => Object.assign(index, { program: undefined, entries: [], blobs: [] }),
      {
        program: 0,
        payload: 0,
      },
    );
    expect(empty.blobs).toEqual([]);
  });

  test("takes blobs that belong to kinds that it does not know", () => {
    expect(parsePacked((index) => (index.entries[0].kind = "later")).entries).toEqual([]);
  });

  test("knows nothing of fields that it does not know", () => {
    const index = parsePacked((one) => {
      one.blobs[0].later = 1;
      one.program.later = 1;
      one.later = 1;
    });
    expect(index).toEqual(packed());
  });

  test("digestsOf() names the blobs of an entry", () => {
    expect(
      packed()
        .entries.flatMap(digestsOf)
        .map(([digit]) => digit),
    ).toEqual(["a", "b", "c", "b"]);
    expect(digestsOf(binaryEntry("x")).length).toBe(1);
  });
});

describe("parsePackedIndex() refuses", () => {
  const A = `blob "${"a".repeat(64)}"`;
  const B = `blob "${"b".repeat(64)}"`;
  const CHUNK = "expected 1 to 4227072 bytes and 64 hex digits";
  test.each<[string, (index: any) => void, string]>([
    ["chunks of another size", (index) => (index.chunkSize = 1), "chunks have 1 bytes; expected 4194304"],
    [
      "no program where bytes are",
      (index) => delete index.program,
      "its program has 0 bytes; the payload begins at byte 100",
    ],
    [
      "a shorter program",
      (index) => (index.program.size = 99),
      "its program has 99 bytes; the payload begins at byte 100",
    ],
    [
      "a program without size",
      (index) => (index.program = {}),
      "its program has nothing bytes; the payload begins at byte 100",
    ],
    [
      "a program without chunks",
      (index) => delete index.program.chunks,
      "its program has no digests; expected one, and 1 of chunks",
    ],
    [
      "a program of other chunks",
      (index) => index.program.chunks.push(OTHER),
      "its program has no digests; expected one, and 1 of chunks",
    ],
    [
      "a program's digest that is none",
      (index) => (index.program.chunks = ["x"]),
      "its program has no digests; expected one, and 1 of chunks",
    ],
    ["no blobs", (index) => delete index.blobs, "it has no list of blobs"],
    [
      "a blob that is nothing",
      (index) => (index.blobs[0] = null),
      "blob nothing: its digests are not 64 hex digits",
    ],
    [
      "a blob without digest",
      (index) => (index.blobs[0].sha256 = "abc"),
      'blob "abc": its digests are not 64 hex digits',
    ],
    ["a blob twice", (index) => (index.blobs[1].sha256 = index.blobs[0].sha256), `${A}: it is there twice`],
    ["a negative offset", (index) => (index.blobs[0].offset = -20), `${A}: offset is -20; expected bytes`],
    [
      "an offset that is a text",
      (index) => (index.blobs[0].offset = "0"),
      `${A}: offset is "0"; expected bytes`,
    ],
    [
      "stored bytes of 2^53",
      (index) => (index.blobs[0].stored = 2 ** 53),
      `${A}: stored is 9007199254740992; expected bytes`,
    ],
    [
      "blobs that overlap",
      (index) => (index.blobs[1].offset = 19),
      `${B}: offset is 19; expected 20, where the one before ends`,
    ],
    [
      "a gap between blobs",
      (index) => (index.blobs[1].offset = 21),
      `${B}: offset is 21; expected 20, where the one before ends`,
    ],
    [
      "bytes before the first blob",
      (index) => (index.blobs[0].offset = 1),
      `${A}: offset is 1; expected 0, where the one before ends`,
    ],
    [
      "bytes after the last blob",
      (index) => index.blobs.pop(),
      "its blobs have 40 bytes; the payload has 60",
    ],
    [
      "a blob outside of the payload",
      (index) => Object.assign(index.blobs[2], { stored: 21, chunks: [[21, OTHER]] }),
      `blob "${"c".repeat(64)}": it ends 1 bytes after the payload`,
    ],
    [
      "a blob of 2^53 bytes",
      (index) => (index.blobs[0].size = 2 ** 53 - 1),
      `${A}: it would unpack to 9007199254740991 bytes; expected at most 68719476736`,
    ],
    [
      "fewer chunks than it has bytes for",
      (index) => (index.blobs[0].size = 2 ** 36),
      `${A}: it has 1 chunks; expected 16384`,
    ],
    ["chunks of nothing", (index) => (index.blobs[0].size = 0), `${A}: it has 1 chunks; expected 0`],
    ["no chunks", (index) => (index.blobs[0].chunks = 7), `${A}: it has no chunks; expected 1`],
    [
      "a chunk that is nothing",
      (index) => (index.blobs[0].chunks = [null]),
      `${A}: a chunk has nothing bytes and the digest nothing; ${CHUNK}`,
    ],
    [
      "an empty chunk",
      (index) => (index.blobs[0].chunks[0][0] = 0),
      `${A}: a chunk has 0 bytes and the digest "${OTHER}"; ${CHUNK}`,
    ],
    [
      "a large chunk",
      (index) => (index.blobs[0].chunks[0][0] = 4227073),
      `${A}: a chunk has 4227073 bytes and the digest "${OTHER}"; ${CHUNK}`,
    ],
    [
      "a chunk without digest",
      (index) => (index.blobs[0].chunks[0] = [20]),
      `${A}: a chunk has 20 bytes and the digest nothing; ${CHUNK}`,
    ],
    [
      "chunks that do not come to the blob",
      (index) => (index.blobs[0].chunks[0][0] = 19),
      `${A}: its chunks have 19 bytes; expected 20`,
    ],
    ["an image without layers", (index) => delete index.entries[0].layers, 'entry "etcd": it has no layers'],
    [
      "an image whose layer is not there",
      (index) => (index.entries[0].layers = [OTHER]),
      `entry "etcd": there is no blob "${OTHER}"`,
    ],
    [
      "an image whose configuration is not there",
      (index) => (index.entries[0].imageId = `sha256:${OTHER}`),
      `entry "etcd": there is no blob "${OTHER}"`,
    ],
    [
      "an entry of another size",
      (index) => (index.entries[0].size = 41),
      'entry "etcd": size is 41; its blobs have 40',
    ],
  ])("%s", async (_, change, what) => {
    expect(await indexRefusal(() => parsePacked(change))).toBe(what);
  });
});
