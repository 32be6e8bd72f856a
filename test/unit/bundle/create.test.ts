import { describe, expect, test } from "bun:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { blobContent } from "../../../src/bundle/bundle-file.ts";
import { createBundle } from "../../../src/bundle/create.ts";
import { CHUNK_SIZE } from "../../../src/bundle/index-format.ts";
import { verifyBundleFile } from "../../../src/bundle/verify.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { bytesOf, SHARED_LAYER, writeStack } from "../../fake/stack.ts";
import { tmpRoot } from "../../fake/root.ts";
import {
  type BundleWorld,
  bundleWorld,
  bytesIn,
  elf,
  keyPair,
  opened,
  refusal,
  withBytes,
  withIndex,
} from "./world.ts";

describe("createBundle()", () => {
  test("makes a file that holds the content of the stack", async () => {
    await using t = await bundleWorld({ large: bytesOf(9, CHUNK_SIZE + 1), empty: Buffer.alloc(0) });
    const file = await t.create();
    expect(file.index).toMatchObject({ format: 2, name: "test-1.20.2", links: t.stack.index.links });
    expect(file.index.program).toBeUndefined();
    for (const entry of file.index.entries) {
      if (entry.kind === "image") continue;
      const content = await bytesIn(blobContent(file, entry.sha256));
      expect([entry.name, content.equals(t.stack.files.get(entry.name) ?? Buffer.from("?"))]).toEqual([
        entry.name,
        true,
      ]);
    }
    for (const part of [...t.stack.images.values()].flat())
      expect((await bytesIn(blobContent(file, sha256(part)))).equals(part)).toBe(true);
    expect((await stat(file.path)).mode & 0o777).toBe(0o644);
  });

  test("stores a layer of two images once, and nothing that nobody names", async () => {
    await using t = await bundleWorld();
    const { index } = await t.create();
    const named = index.entries.flatMap((entry) =>
      entry.kind === "image" ? [entry.imageId.slice(7), ...(entry.layers ?? [])] : [entry.sha256],
    );
    expect(index.blobs.map((blob) => blob.sha256).sort()).toEqual([...new Set(named)].sort());
    expect(named.filter((digest) => digest === sha256(SHARED_LAYER)).length).toBe(2);
  });

  test("makes the same bytes of the same content, wherever it lies", async () => {
    await using t = await bundleWorld();
    await using other = await tmpRoot();
    const again = await writeStack(other.place("/elsewhere/stack"));
    const { privateKey: key } = keyPair();
    const program = await t.program();
    const make = async (stack: string, out: string) => {
      await createBundle({ from: { stack }, out, program, key });
      return await readFile(out);
    };
    const first = await make(t.stack.dir, t.root.place("/a"));
    expect(first.equals(await make(again.dir, other.place("/b")))).toBe(true);
    expect(first.equals(await make(t.stack.dir, t.root.place("/a")))).toBe(true);
  });

  test("puts a program before the payload, which stays executable", async () => {
    await using t = await bundleWorld();
    const program = await t.program();
    const { path, index, trailer } = await t.create({ program });
    expect((await readFile(path)).subarray(0, 5000).equals(await readFile(program))).toBe(true);
    expect([trailer.payloadOffset, index.program?.size, index.program?.sha256]).toEqual([
      5000,
      5000,
      sha256(await readFile(program)),
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o755);
  });

  test("takes over a payload: the same file as from the stack", async () => {
    await using t = await bundleWorld();
    const program = await t.program();
    const { privateKey: key } = keyPair();
    const whole = await t.create({ name: "whole", program, key });
    const bundle = await t.create({ name: "alone" });
    const joined = await t.create({ name: "joined", from: { bundle }, program, key });
    expect((await readFile(joined.path)).equals(await readFile(whole.path))).toBe(true);
    // And without its program it is a file of its own again.
    const alone = await t.create({ name: "again", from: { bundle: joined } });
    expect((await readFile(alone.path)).equals(await readFile(bundle.path))).toBe(true);
  });

  test("of an appliance as the program takes the program alone", async () => {
    await using t = await bundleWorld();
    const appliance = await t.create({ name: "old", program: await t.program() });
    const again = await t.create({ name: "new", program: appliance.path });
    expect((await readFile(again.path)).equals(await readFile(appliance.path))).toBe(true);
  });

  test("leaves out what is not wanted", async () => {
    await using t = await bundleWorld();
    const { index } = await t.create({ from: { stack: t.stack.dir, leaveOut: ["kubectl"] } });
    expect(index.entries.map(({ name }) => name)).not.toContain("kubectl");
  });

  test("tells how far it is", async () => {
    await using t = await bundleWorld();
    const told: number[][] = [];
    const out = t.root.place("/out");
    const { plain, size } = await createBundle({
      from: { stack: t.stack.dir },
      out,
      onBytes: (...numbers) => void told.push(numbers),
    });
    expect(told.at(-1)).toEqual([plain, plain]);
    expect(told.map(([done = 0]) => done)).toEqual([...told.map(([done = 0]) => done)].sort((a, b) => a - b));
    expect((await stat(out)).size).toBe(size);
  });

  test("forgets entries that it does not know of a payload that it takes over, and their content stays unused", async () => {
    await using t = await bundleWorld();
    const bundle = await t.create({ name: "old" });
    await withIndex(bundle, (index) => {
      const entry = index.entries.find(({ name }) => name === "kubectl");
      if (entry) Object.assign(entry, { kind: "later" });
    });
    const joined = await t.create({ name: "joined", from: { bundle: await opened(bundle.path) } });
    expect(joined.index.entries.map(({ name }) => name)).not.toContain("kubectl");
    expect(await verifyBundleFile(joined)).toEqual([]);
  });
});

describe("createBundle() refuses, and leaves nothing behind:", () => {
  /** What is refused; everything that was there after `prepare` is as it was. */
  async function refused(how: {
    prepare?: (t: BundleWorld) => Promise<unknown>;
    work: (t: BundleWorld) => Promise<unknown>;
  }): Promise<string> {
    await using t = await bundleWorld();
    await t.root.write("/test.bundle", "what was there");
    await how.prepare?.(t);
    const before = await t.root.snapshot();
    const message = await refusal(() => how.work(t), t.root.path);
    expect(await t.root.snapshot()).toEqual(before);
    return message;
  }

  test("a stack with a changed file", async () => {
    const message = await refused({
      prepare: (t) => t.root.write("/stack/binary/kubelet", "changed"),
      work: (t) => t.create(),
    });
    expect(message).toStartWith('Cannot take "FILE/stack/binary/kubelet" into a bundle: its sha256 is ');
  });

  test("a damaged payload", async () => {
    const message = await refused({
      async prepare(t) {
        const { path } = await t.create({ name: "damaged" });
        await withBytes(path, (bytes) => void bytes.writeUInt8((bytes[9] ?? 0) ^ 1, 9));
      },
      work: async (t) => await t.create({ from: { bundle: await opened(t.root.place("/damaged")) } }),
    });
    expect(message).toMatch(/^Cannot take over "FILE\/damaged": bytes 0-\d+ are damaged; copy it again$/);
  });

  test.each([
    [
      "a program that is not there",
      "/none",
      /^Cannot take "FILE\/none" as the program: ENOENT.*; name an executable with --program FILE$/,
    ],
    [
      "a program that is a script",
      "/script",
      /^Cannot take "FILE\/script" as the program: it is no executable for 64-bit Linux; /,
    ],
    ["a program that is a directory", "/stack", /^Cannot take "FILE\/stack" as the program: it is no file; /],
    [
      "a program with half a payload",
      "/half",
      /^Cannot use the bundle "FILE\/half": it does not end as a bundle does after 5100 bytes/,
    ],
  ])("%s", async (_, program, what) => {
    const message = await refused({
      async prepare(t) {
        await t.root.write("/script", "#!/bin/sh\n");
        await writeFile(t.root.place("/half"), Buffer.concat([elf(5000), Buffer.alloc(100)]));
      },
      work: (t) => t.create({ program: t.root.place(program) }),
    });
    expect(message).toMatch(what);
  });

  test("a place that is a directory", async () => {
    const message = await refused({ work: (t) => t.create({ name: "stack" }) });
    expect(message).toStartWith('Cannot write "FILE/stack": ');
  });

  test("a place that does not exist", async () => {
    const message = await refused({ work: (t) => t.create({ name: "none/x" }) });
    expect(message).toStartWith('Cannot write "FILE/none/x": ENOENT');
  });
});
