import { describe, expect, test } from "bun:test";
import { open, rm, writeFile } from "node:fs/promises";
import { directorySource, fileSource, ownSource } from "../../../src/bundle/sources.ts";
import { readArchive } from "../../../src/bundle/image-archive.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { bundleWorld, bytesIn, keyPair, refusal, withBytes } from "./world.ts";

const TRUST = { trusted: [], insecure: true };

describe("fileSource()", () => {
  test("gives the content of entries; of an image an archive", async () => {
    await using t = await bundleWorld();
    const { path, size } = await t.create();
    const source = await fileSource({ path }, TRUST);
    expect([source?.path, source?.fileSize]).toEqual([path, size]);
    const entries = source?.index.entries ?? [];
    const [image, kubelet] = ["etcd", "kubelet"].map((name) => entries.find((entry) => entry.name === name));
    if (!source || !image || !kubelet) throw new Error("no source");
    expect(
      (await bytesIn(source.content(kubelet))).equals(t.stack.files.get("kubelet") ?? Buffer.alloc(0)),
    ).toBe(true);
    const archive = await bytesIn(source.content(image));
    await writeFile(t.root.place("/x.tar"), archive);
    await using handle = await open(t.root.place("/x.tar"), "r");
    const parts = await readArchive({ handle, path: "x.tar" });
    const found = [parts.config, ...parts.layers].map((part) =>
      archive.subarray(part.offset, part.offset + part.size),
    );
    expect(found.map((part) => sha256(part))).toEqual(
      (t.stack.images.get("etcd") ?? []).map((part) => sha256(part)),
    );
  });

  test("names what is damaged, of the program too when it is the one that runs", async () => {
    await using t = await bundleWorld();
    const { path, index, trailer } = await t.create({ program: await t.program() });
    const blob = index.blobs.find((one) => one.sha256 === sha256(t.stack.files.get("kubelet") ?? ""));
    const at = trailer.payloadOffset + (blob?.offset ?? 0);
    await withBytes(path, (bytes) => {
      for (const place of [100, at]) bytes.writeUInt8((bytes[place] ?? 0) ^ 1, place);
    });
    const checked = async (isSelf: boolean) => {
      const source = await fileSource({ path, isSelf }, TRUST);
      let bytes = 0;
      const found = (await source?.check(source.index.entries, (more) => (bytes += more))) ?? [];
      expect(bytes).toBe(source?.bytesToCheck(source.index.entries) ?? -1);
      return found.map(({ code, message, hint }) => `${code}: ${message.replace(path, "FILE")}; ${hint}`);
    };
    const again = "copy the bundle again; the copy or its medium is damaged";
    const kubelet = `BundleDamaged: Bundle "FILE" is damaged in bytes ${at}-${at + (blob?.stored ?? 0) - 1}, which are part of kubelet; ${again}`;
    expect(await checked(false)).toEqual([kubelet]);
    expect(await checked(true)).toEqual([
      `BundleDamaged: Bundle "FILE" is damaged in bytes 0-4999, which are part of program; ${again}`,
      kubelet,
    ]);
  });

  test("is none where there is no file, and of a program with nothing behind it", async () => {
    await using t = await bundleWorld();
    const places = [
      t.root.place("/none"),
      t.root.place("/stack/index.json/none"),
      t.root.place("/stack"),
      await t.program(),
    ];
    for (const path of places) expect(await fileSource({ path }, TRUST)).toBeUndefined();
  });

  test("takes only what a trusted key has signed", async () => {
    await using t = await bundleWorld();
    const { privateKey: key, trusted } = keyPair();
    const { path } = await t.create({ key });
    expect((await fileSource({ path }, { trusted: [trusted], insecure: false }))?.path).toBe(path);
    expect(await refusal(() => fileSource({ path }, { trusted: [], insecure: false }), path)).toStartWith(
      'Cannot trust the bundle "FILE": it is signed by ',
    );
  });

  test("does not take the program that tests run in for a bundle", async () => {
    expect(await ownSource(TRUST)).toBeUndefined();
  });
});

describe("directorySource()", () => {
  test("gives the files themselves", async () => {
    await using t = await bundleWorld();
    const source = await directorySource(t.stack.dir, TRUST);
    const [entry] = source?.index.entries ?? [];
    if (!source || !entry) throw new Error("no source");
    expect(source.content(entry)).toMatchObject({ file: `${t.stack.dir}/${entry.path}`, size: entry.size });
    expect(await source.check(source.index.entries)).toEqual([]);
    const sizes = source.index.entries.map(({ size }) => size);
    expect(source.bytesToCheck(source.index.entries)).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  test("tells everything that is wrong at once", async () => {
    await using t = await bundleWorld();
    await rm(`${t.stack.dir}/image/etcd`);
    await t.root.write("/stack/binary/kubelet", "cut");
    await t.root.write("/stack/binary/kubectl", "#!/bin/xx\n");
    const source = await directorySource(t.stack.dir, TRUST);
    const found = await source?.check(source.index.entries);
    expect(found?.map(({ code, message }) => `${code}: ${message.replaceAll(t.stack.dir, "DIR")}`)).toEqual([
      'BundleFileMissing: Bundle file "DIR/image/etcd" is missing',
      'BundleFileSize: Bundle file "DIR/binary/kubelet" has 3 bytes; expected 50000',
      `BundleFileDigest: Bundle file "DIR/binary/kubectl" has sha256 ${sha256("#!/bin/xx\n").slice(0, 16)}…; expected ${sha256("#!/bin/sh\n").slice(0, 16)}…`,
    ]);
    expect(found?.every(({ hint }) => hint)).toBe(true);
    const images = source?.index.entries.filter(({ name }) => name === "pause") ?? [];
    expect(await source?.check(images)).toEqual([]);
  });

  test("is refused where bundles must be signed, and is none where there is no directory", async () => {
    await using t = await bundleWorld();
    expect(
      await refusal(() => directorySource(t.stack.dir, { trusted: [], insecure: false }), t.stack.dir),
    ).toBe(
      'Cannot trust the bundle "FILE": it is a directory, which nobody can have signed; make a bundle file of it (nodelet bundle create), or take it as it is with --insecure-bundle',
    );
    expect(await directorySource(t.root.place("/none"), TRUST)).toBeUndefined();
  });
});
