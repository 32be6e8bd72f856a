import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { readAdditions } from "../../../src/bundle/add.ts";
import { blobContent } from "../../../src/bundle/bundle-file.ts";
import { createBundle } from "../../../src/bundle/create.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { tmpRoot } from "../../fake/root.ts";
import { savedArchive } from "../../fake/stack.ts";
import { bundleWorld, bytesIn, opened, refusal } from "./world.ts";

const CONFIG = Buffer.from("{}");
const LAYER = Buffer.from("a layer\n");
const MANIFEST = "kind: Pod\n";

/** A directory with a manifest and an image of these names. */
async function additions(references: readonly string[] | null = ["quay.io/calico/node:v3.18.1"]) {
  const root = await tmpRoot();
  const manifest = root.place("/calico.yaml");
  const image = root.place("/node.tar");
  await writeFile(manifest, MANIFEST);
  await writeFile(image, savedArchive(CONFIG, [LAYER], { references }));
  return {
    path: root.path,
    manifest,
    image,
    add: (given: { manifests?: string[]; images?: string[] }) =>
      readAdditions({ manifests: [], images: [], ...given }, { platform: "linux/amd64" }),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

describe("readAdditions()", () => {
  test("names a manifest as it is told", async () => {
    await using t = await additions();
    expect(await t.add({ manifests: [`calico=${t.manifest}`] })).toMatchObject([
      { kind: "manifest", name: "calico", size: 10, sha256: sha256(MANIFEST), source: "calico.yaml" },
    ]);
  });

  test.each([
    ["quay.io/calico/node:v3.18.1", "calico-node", "v3.18.1"],
    ["calico/node:v3", "calico-node", "v3"],
    ["localhost:5000/node:1", "node", "1"],
    ["node:1", "node", "1"],
  ])("names the image %s %s, version %s", async (reference, name, version) => {
    await using t = await additions([reference]);
    expect(await t.add({ images: [t.image] })).toMatchObject([
      { kind: "image", name, version, reference, imageId: `sha256:${sha256("{}")}`, platform: "linux/amd64" },
    ]);
  });

  test.each([
    [null, "its image has no name; expected one; save it again: docker save NAME:TAG"],
    [["a:1", "b:1"], "its image has 2 names; expected one; save it again: docker save NAME:TAG"],
    [
      ["A:1"],
      'entry "A": name has other characters than a-z, 0-9, dot, plus and dash, or too many; undefined',
    ],
  ])("refuses an image with the names %j", async (references, why) => {
    await using t = await additions(references);
    const found = await refusal(() => t.add({ images: [t.image] }), t.path);
    expect(found).toBe(`Cannot add "FILE/node.tar" to a bundle: ${why}`);
  });

  test.each([
    [
      "calico.yaml",
      'Cannot add "calico.yaml" to a bundle: expected NAME=FILE, for example calico=calico.yaml',
    ],
    ["calico=/nowhere", 'Cannot add "/nowhere" to a bundle: there is no such file'],
    ["calico=/", 'Cannot add "/" to a bundle: there is no such file'],
  ])("refuses the manifest %s", async (given, why) => {
    await using t = await additions();
    expect(await refusal(() => t.add({ manifests: [given] }))).toStartWith(why);
  });

  test("refuses an image that is not there", async () => {
    await using t = await additions();
    expect(await refusal(() => t.add({ images: ["/nowhere"] }))).toStartWith(
      'Cannot add "/nowhere" to a bundle: there is no such file',
    );
  });
});

test("createBundle() takes additions in, in place of what has the same name", async () => {
  await using t = await bundleWorld();
  await using more = await additions(["example.com/etcd:v9"]);
  const out = t.root.place("/site.bundle");
  const add = { manifests: [`calico=${more.manifest}`], images: [more.image] };
  await createBundle({ from: { stack: t.stack.dir, add }, out });
  const { index, ...file } = await opened(out);
  const etcd = index.entries.filter(({ name }) => name === "etcd");
  expect(etcd).toMatchObject([{ reference: "example.com/etcd:v9", layers: [sha256(LAYER)] }]);
  const text = await bytesIn(blobContent({ ...file, index }, sha256(MANIFEST)));
  expect(text.toString()).toBe(MANIFEST);
  expect(index.entries.some((entry) => "path" in entry)).toBe(false);
});
