import { describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { blobContent, checkTrust, openBundleFile } from "../../../src/bundle/bundle-file.ts";
import { signBundle } from "../../../src/bundle/sign.ts";
import { bundleWorld, elf, keyPair, opened, refusal } from "./world.ts";

describe("openBundleFile()", () => {
  test("reads a bundle by another name than the one for messages", async () => {
    await using t = await bundleWorld();
    const { path } = await t.create();
    const file = await openBundleFile({ path: "/media/usb/nodelet", place: path });
    expect([file?.path, file?.place, file?.size]).toEqual(["/media/usb/nodelet", path, Bun.file(path).size]);
  });

  test("finds nothing behind a program", async () => {
    await using t = await bundleWorld();
    expect(await openBundleFile({ path: await t.program() })).toBeUndefined();
    expect(await openBundleFile({ path: "/bin/sh" })).toBeUndefined();
    // The words of a trailer are in a program that knows bundles.
    const words = elf(5000);
    words.write("nodelet-bundle/\n", 1000);
    await writeFile(t.root.place("/words"), words);
    expect(await openBundleFile({ path: t.root.place("/words") })).toBeUndefined();
  });

  test.each([
    ["what is not there", "/none", 'Cannot open the bundle "FILE": ENOENT: no such file or directory'],
    ["a directory", "/dir", 'Cannot open the bundle "FILE": it is no file'],
    ["a pipe, without waiting for a writer", "/pipe", 'Cannot open the bundle "FILE": it is no file'],
    [
      "an empty file",
      "/empty",
      'Cannot use the bundle "FILE": it does not end as a bundle does after 0 bytes; it is cut off, or no bundle',
    ],
    [
      "a text",
      "/text",
      'Cannot use the bundle "FILE": it does not end as a bundle does after 5 bytes; it is cut off, or no bundle',
    ],
  ])("refuses %s", async (_, name, what) => {
    await using t = await bundleWorld();
    await mkdir(t.root.place("/dir"));
    await Bun.spawn(["mkfifo", t.root.place("/pipe")]).exited;
    await t.root.write("/empty", "");
    await t.root.write("/text", "text\n");
    const path = t.root.place(name);
    expect(await refusal(() => openBundleFile({ path }), path)).toStartWith(what);
  });
});

describe("checkTrust()", () => {
  test("is content with a trusted key among several that signed", async () => {
    await using t = await bundleWorld();
    const [one, two] = [keyPair(), keyPair()];
    await signBundle(await t.create({ key: one.privateKey }), two.privateKey);
    const file = await opened(t.root.place("/test.bundle"));
    const signer = checkTrust(file, { trusted: [keyPair().trusted, two.trusted], insecure: false });
    expect(signer?.fingerprint).toBe(two.fingerprint);
  });

  test("refuses what nobody trusted has signed, and says who did", async () => {
    await using t = await bundleWorld();
    const [maker, other] = [keyPair(), keyPair()];
    const [unsigned, signed] = [
      await t.create({ name: "unsigned" }),
      await t.create({ name: "signed", key: maker.privateKey }),
    ];
    const forged = {
      ...signed,
      signatures: signed.signatures.map((one) => ({ ...one, key: other.fingerprint })),
    };
    const trusted = [other.trusted];
    const way = "name the maker's key with --trusted-key FILE, or take it as it is with --insecure-bundle";
    const told = (file: typeof unsigned, keys: typeof trusted) =>
      refusal(() => checkTrust(file, { trusted: keys, insecure: false }), file.path);
    expect(await told(unsigned, trusted)).toBe(
      `Cannot trust the bundle "FILE": nobody has signed it; trusted keys: ${other.fingerprint}; ${way}`,
    );
    expect(await told(signed, [])).toBe(
      `Cannot trust the bundle "FILE": it is signed by ${maker.fingerprint}; trusted keys: none; ${way}`,
    );
    expect(await told(forged, trusted)).toBe(
      `Cannot trust the bundle "FILE": its signature by ${other.fingerprint} does not fit its index; trusted keys: ${other.fingerprint}; ${way}`,
    );
    for (const file of [unsigned, signed, forged])
      expect(checkTrust(file, { trusted, insecure: true })).toBeUndefined();
  });
});

test("blobContent() knows only what is there", async () => {
  await using t = await bundleWorld();
  const file = await t.create();
  expect(await refusal(() => blobContent(file, "f".repeat(64)), file.path)).toStartWith(
    'Cannot find ffffffffffffffff in the bundle "FILE"',
  );
});
