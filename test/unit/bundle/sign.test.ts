import { describe, expect, test } from "bun:test";
import { chmod, readFile, stat } from "node:fs/promises";
import { signBundle } from "../../../src/bundle/sign.ts";
import { verifyBundleFile } from "../../../src/bundle/verify.ts";
import { bundleWorld, keyPair, opened } from "./world.ts";

describe("signBundle()", () => {
  test("signs what exists; content, mode and other signatures stay", async () => {
    await using t = await bundleWorld();
    const [one, two] = [keyPair(), keyPair()];
    const before = await t.create({ program: await t.program() });
    await chmod(before.path, 0o750);
    expect(await signBundle(before, one.privateKey)).toBe(one.fingerprint);
    await signBundle(await opened(before.path), two.privateKey);
    await signBundle(await opened(before.path), one.privateKey);
    const after = await opened(before.path);
    expect(after.signatures.map(({ key }) => key)).toEqual([two.fingerprint, one.fingerprint]);
    expect(after.indexBytes.equals(before.indexBytes)).toBe(true);
    expect(await verifyBundleFile(after)).toEqual([]);
    expect((await stat(after.path)).mode & 0o777).toBe(0o750);
  });

  test("makes the same file as signing at once", async () => {
    await using t = await bundleWorld();
    const { privateKey: key } = keyPair();
    const at = await t.create({ name: "at-once", key });
    const later = await t.create({ name: "later" });
    await signBundle(later, key);
    expect((await readFile(later.path)).equals(await readFile(at.path))).toBe(true);
  });
});
