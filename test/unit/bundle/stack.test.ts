import { describe, expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { readStack, readStackIndex } from "../../../src/bundle/stack.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { assembledArchive, SHARED_LAYER } from "../../fake/stack.ts";
import { bundleWorld, refusal } from "./world.ts";

describe("readStack()", () => {
  test("takes images apart into layers, and has every piece once", async () => {
    await using t = await bundleWorld();
    const { entries, links, ranges, name, platform } = await readStack(t.stack.dir);
    expect({ name, platform, links }).toEqual({
      name: "test-1.20.2",
      platform: "linux/amd64",
      links: t.stack.index.links ?? [],
    });
    expect(entries.map((entry) => entry.name)).toEqual(t.stack.index.entries.map((entry) => entry.name));
    expect(entries.filter((entry) => "path" in entry)).toEqual([]);
    for (const [image, [config, ...layers]] of t.stack.images) {
      const size = [config, ...layers].reduce((sum, part) => sum + (part?.length ?? 0), 0);
      expect(entries.find((entry) => entry.kind === "image" && entry.name === image)).toMatchObject({
        imageId: `sha256:${sha256(config ?? "")}`,
        layers: layers.map((layer) => sha256(layer)),
        size,
      });
    }
    const digests = ranges.map((range) => range.sha256);
    expect(new Set(digests).size).toBe(digests.length);
    expect(digests).toContain(sha256(SHARED_LAYER));
  });

  test("leaves out what is not wanted, and what only that was made of", async () => {
    await using t = await bundleWorld();
    const { entries, ranges } = await readStack(t.stack.dir, { leaveOut: ["kube-apiserver", "kubectl"] });
    expect(entries.map(({ name }) => name)).not.toContain("kubectl");
    const digests = ranges.map((range) => range.sha256);
    expect(digests).toContain(sha256(SHARED_LAYER));
    const [, , own] = t.stack.images.get("kube-apiserver") ?? [];
    expect(digests).not.toContain(sha256(own ?? ""));
  });

  test("refuses to leave out what is not there", async () => {
    await using t = await bundleWorld();
    expect(await refusal(() => readStack(t.stack.dir, { leaveOut: ["kubelt"] }), t.stack.dir)).toBe(
      'Cannot leave out "kubelt": the stack "FILE" has no such entry; its index.json names them',
    );
  });

  test.each<[string, string, string | undefined, string]>([
    [
      "a missing file",
      "binary/kubectl",
      undefined,
      'Cannot take "FILE/stack/binary/kubectl" into a bundle: it is missing',
    ],
    [
      "a changed file",
      "binary/kubectl",
      "other",
      `Cannot take "FILE/stack/binary/kubectl" into a bundle: its sha256 is ${sha256("other").slice(0, 16)}…; expected ${sha256("#!/bin/sh\n").slice(0, 16)}…`,
    ],
    [
      "a missing image",
      "image/etcd",
      undefined,
      'Cannot take "FILE/stack/image/etcd" into a bundle: it is missing',
    ],
    [
      "an image that is none",
      "image/etcd",
      "x".repeat(600),
      'Cannot read the image archive "FILE/stack/image/etcd": there is no whole tar member at byte 0',
    ],
  ])("refuses %s", async (_, path, content, what) => {
    await using t = await bundleWorld();
    await rm(`${t.stack.dir}/${path}`);
    if (content !== undefined) await writeFile(`${t.stack.dir}/${path}`, content);
    expect(await refusal(() => readStack(t.stack.dir), t.root.path)).toStartWith(what);
  });

  test("refuses another image under the name", async () => {
    await using t = await bundleWorld();
    const config = Buffer.from('{"made":"by another"}');
    await writeFile(`${t.stack.dir}/image/etcd`, assembledArchive(config, [Buffer.from("layer")]));
    expect(await refusal(() => readStack(t.stack.dir), t.root.path)).toBe(
      `Cannot take "FILE/stack/image/etcd" into a bundle: it holds the image sha256:${sha256(config).slice(0, 16)}…; expected sha256:${sha256('{"os":"linux","made":"etcd"}').slice(0, 16)}…; assemble the stack again`,
    );
  });
});

describe("readStackIndex()", () => {
  test("refuses a directory without one", async () => {
    await using t = await bundleWorld();
    await rm(`${t.stack.dir}/index.json`);
    expect(await refusal(() => readStackIndex(t.stack.dir), t.root.path)).toBe(
      'Cannot open the bundle: "FILE/stack" has no index.json; expected a stack directory; name a bundle file, or a directory made by the stack assembly',
    );
  });

  test("refuses an entry that has no file", async () => {
    await using t = await bundleWorld();
    for (const entry of t.stack.index.entries) if (entry.name === "kubectl") delete entry.path;
    await writeFile(`${t.stack.dir}/index.json`, JSON.stringify(t.stack.index));
    expect(await refusal(() => readStackIndex(t.stack.dir), t.root.path)).toBe(
      'Cannot read the bundle index "FILE/stack/index.json": entry "kubectl" has no path; make the bundle again',
    );
  });
});
