import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { type Bundle, checkBundle, EMPTY_BUNDLE, openBundle } from "../../../src/bundle/bundle.ts";
import type { BundleIndex } from "../../../src/bundle/index-format.ts";
import { recordingHost } from "../../../src/host/real.ts";
import { fakeIndex, imageEntry, writeBundle } from "../../fake/bundle.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

/** A bundle on the disk, and a host to open it on. */
async function setUp(index: BundleIndex = fakeIndex()) {
  const root = await tmpRoot();
  const dir = root.place("/srv/stack");
  await writeBundle(dir, index);
  const host = recordingHost(fakeMachine(root.path), []);
  return { root, dir, host, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

const check = (bundle: Bundle) => checkBundle(bundle, { platform: "linux/amd64", use: () => true });

describe("openBundle()", () => {
  test("finds images, programs, files and the version", async () => {
    await using t = await setUp();
    const bundle = await openBundle(t.host, t.dir);
    expect(bundle.kubernetesVersion).toBe("v1.20.2");
    expect(bundle.image("etcd")).toEqual(imageEntry("etcd") as never);
    expect(bundle.binaries.map(({ name }) => name)).toEqual(["kubelet", "kubectl", "bridge"]);
    expect(bundle.fileOf(bundle.image("etcd"))).toBe(`${t.dir}/images/etcd.tar`);
    expect(bundle.findImage("coredns")).toBeUndefined();
    expect(() => bundle.image("coredns")).toThrow(
      'Cannot find the image "coredns" in the bundle "test-1.20.2"',
    );
  });

  test("without a directory takes the index that is installed, whose files are not at hand", async () => {
    await using t = await setUp();
    await t.root.write("/opt/pf9/nodelet/index.json", JSON.stringify(fakeIndex()));
    const bundle = await openBundle(t.host, undefined);
    expect(bundle.images.length).toBe(6);
    expect(() => bundle.fileOf(bundle.image("etcd"))).toThrow(
      'Cannot read "images/etcd.tar": the bundle "test-1.20.2" is not at hand',
    );
  });

  test("a directory that is gone since leaves the installed index", async () => {
    await using t = await setUp();
    await t.root.write("/opt/pf9/nodelet/index.json", JSON.stringify(fakeIndex()));
    expect((await openBundle(t.host, "/nowhere")).dir).toBeUndefined();
  });

  test("refuses to work without any", async () => {
    await using t = await setUp();
    await expect(openBundle(t.host, undefined)).rejects.toThrow(
      "Cannot open the bundle: none was given and this host has none installed; expected a directory made by the stack assembly",
    );
    await expect(openBundle(t.host, "/nowhere")).rejects.toThrow(
      'Cannot open the bundle: "/nowhere" has no index.json',
    );
  });

  test("names the index that it cannot read", async () => {
    await using t = await setUp();
    await t.root.write("/srv/stack/index.json", "{");
    await expect(openBundle(t.host, t.dir)).rejects.toThrow(
      `Cannot read the bundle index "${t.dir}/index.json": `,
    );
  });

  test("a host that is no node has an empty one", () => {
    expect([EMPTY_BUNDLE.images, EMPTY_BUNDLE.binaries, EMPTY_BUNDLE.kubernetesVersion]).toEqual([
      [],
      [],
      "",
    ]);
  });
});

describe("checkBundle()", () => {
  test("finds nothing wrong with a good one", async () => {
    await using t = await setUp();
    expect(await check(await openBundle(t.host, t.dir))).toEqual([]);
  });

  test("tells everything that is wrong at once", async () => {
    await using t = await setUp();
    await rm(`${t.dir}/images/etcd.tar`);
    await t.root.write("/srv/stack/binary/kubelet", "cut");
    const same = (await t.root.read("/srv/stack/binary/kubectl"))?.replace("the", "xxx") ?? "";
    await t.root.write("/srv/stack/binary/kubectl", same);
    const bundle = await openBundle(t.host, t.dir);
    const found = await checkBundle(bundle, { platform: "linux/arm64", use: () => true });
    expect(found.map(({ code, message }) => `${code}: ${message.replaceAll(t.dir, "DIR")}`)).toEqual([
      'BundlePlatform: Bundle "test-1.20.2" is for linux/amd64; this host is linux/arm64',
      'BundleFileMissing: Bundle file "DIR/images/etcd.tar" is missing',
      'BundleFileSize: Bundle file "DIR/binary/kubelet" has 3 bytes; expected 20',
      expect.stringMatching(
        /^BundleFileDigest: Bundle file "DIR\/binary\/kubectl" has sha256 [0-9a-f]{16}…; expected [0-9a-f]{16}…$/,
      ),
    ]);
    expect(found.every(({ hint }) => hint)).toBe(true);
  });

  test("names what is not in it", async () => {
    const whole = fakeIndex();
    const entries = whole.entries.filter(({ name }) => name !== "pause" && name !== "kubelet");
    await using t = await setUp({ ...whole, entries });
    expect(
      (await check(await openBundle(t.host, t.dir))).map(({ code, message }) => `${code}: ${message}`),
    ).toEqual([
      'BundleIncomplete: Bundle "test-1.20.2" has no image "pause"',
      'BundleIncomplete: Bundle "test-1.20.2" has no program "kubelet"',
    ]);
  });

  test("does not look at files that this host will not use", async () => {
    await using t = await setUp();
    await rm(`${t.dir}/images`, { recursive: true });
    const bundle = await openBundle(t.host, t.dir);
    const use = ({ kind }: { kind: string }) => kind !== "image";
    expect(await checkBundle(bundle, { platform: "linux/amd64", use })).toEqual([]);
  });
});
