import { describe, expect, test } from "bun:test";
import { open, writeFile } from "node:fs/promises";
import { bytesContent, imageArchive, readArchive } from "../../../src/bundle/image-archive.ts";
import type { ImageEntry } from "../../../src/bundle/index-format.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { assembledArchive, bytesOf, savedArchive, tarOf } from "../../fake/stack.ts";
import { tmpRoot } from "../../fake/root.ts";
import { bytesIn, refusal } from "./world.ts";

const CONFIG = Buffer.from('{"os":"linux"}');
const LAYERS = [bytesOf(1, 1000), bytesOf(2, 512), bytesOf(1, 1000)];

/** Reads an archive: configuration and layers as they are. */
async function partsOf(archive: Buffer): Promise<Buffer[]> {
  await using root = await tmpRoot();
  await writeFile(root.place("/x.tar"), archive);
  await using handle = await open(root.place("/x.tar"), "r");
  const { config, layers } = await readArchive({ handle, path: "x.tar" });
  return [config, ...layers].map(({ offset, size }) => archive.subarray(offset, offset + size));
}

describe("readArchive()", () => {
  test.each([
    ["the stack assembly", assembledArchive],
    ["docker save, with links between layers", savedArchive],
  ])("finds configuration and layers in an archive by %s", async (_, archive) => {
    expect(await partsOf(archive(CONFIG, LAYERS))).toEqual([CONFIG, ...LAYERS]);
  });

  const manifest = (value: unknown) => [
    { name: "manifest.json", content: Buffer.from(JSON.stringify(value)) },
  ];
  const image = { Config: "c.json", Layers: ["a/layer.tar"] };
  test.each([
    ["nothing in it", [], 'it has no "manifest.json"'],
    [
      "a manifest that is no JSON",
      [{ name: "manifest.json", content: Buffer.from("[") }],
      "its manifest.json is no list of images",
    ],
    ["a manifest that is no list", manifest({}), "its manifest.json is no list of images"],
    ["a manifest of nothings", manifest([null]), "its manifest.json is no list of images"],
    [
      "layers that are no texts",
      manifest([{ ...image, Layers: [1] }]),
      "its manifest.json is no list of images",
    ],
    ["no image", manifest([]), "it holds 0 images; expected one"],
    ["two images", manifest([image, image]), "it holds 2 images; expected one"],
    ["no configuration", manifest([image]), 'it has no "c.json"'],
    ["no layer", [...manifest([image]), { name: "c.json" }], 'it has no "a/layer.tar"'],
    [
      "links that lead in a circle",
      [...manifest([image]), { name: "c.json", link: "d.json" }, { name: "d.json", link: "c.json" }],
      /^Cannot use the image archive "x.tar": it has no "[cd].json"/,
    ],
    [
      "a link out of it",
      [...manifest([image]), { name: "c.json", link: "../../etc/passwd" }],
      'it has no "../../etc/passwd"',
    ],
    [
      "a huge manifest",
      [{ name: "manifest.json", content: Buffer.alloc(2 ** 20 + 1) }],
      "its manifest.json has 1048577 bytes",
    ],
  ])("refuses one with %s", async (_, files, what) => {
    const message = await refusal(() => partsOf(tarOf(files)));
    if (typeof what !== "string") return expect(message).toMatch(what);
    expect(message).toBe(`Cannot use the image archive "x.tar": ${what}; save the image again`);
  });
});

describe("imageArchive()", () => {
  const blobs = new Map([CONFIG, ...LAYERS].map((bytes) => [sha256(bytes), bytes]));
  const entry = {
    kind: "image",
    name: "etcd",
    reference: "nodelet.local/etcd:v1",
    imageId: `sha256:${sha256(CONFIG)}`,
    layers: LAYERS.map((layer) => sha256(layer)),
  } as ImageEntry;
  const archive = imageArchive(entry, (digest) => bytesContent(blobs.get(digest) ?? Buffer.from("unknown")));

  test("is an archive that reads as the image, each layer in it once", async () => {
    const bytes = await bytesIn(archive);
    expect(await partsOf(bytes)).toEqual([CONFIG, ...LAYERS]);
    expect(bytes.includes('"RepoTags":["nodelet.local/etcd:v1"]')).toBe(true);
    // manifest.json, the configuration, two layers: each with its header, in whole blocks.
    expect(bytes.length).toBe(2 * 512 + 2 * 512 + (512 + 1024) + (512 + 512) + 1024);
    expect(archive.size).toBe(bytes.length);
  });

  test("is the same bytes every time", async () => {
    expect((await bytesIn(archive)).equals(await bytesIn(archive))).toBe(true);
  });

  test("ends when a layer does", async () => {
    const broken = imageArchive(entry, (digest) => ({
      size: 5,
      async *stream() {
        if (digest === entry.layers?.[1]) throw new Error("gone");
        yield Buffer.from("bytes");
      },
    }));
    await expect(bytesIn(broken)).rejects.toThrow("gone");
  });
});
