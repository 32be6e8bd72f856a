import { describe, expect, test } from "bun:test";
import { type Bundle, bundleOf, checkBundle, EMPTY_BUNDLE, openBundle } from "../../../src/bundle/bundle.ts";
import { recordingHost } from "../../../src/host/real.ts";
import { fakeIndex, IMAGES, imageEntry } from "../../fake/bundle.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { bundleWorld, bytesIn, keyPair, refusal } from "./world.ts";

const TRUST = { trusted: [], insecure: true };

/** A stack, and a host to open bundles on. */
async function setUp() {
  const t = await bundleWorld();
  const machine = fakeMachine(t.root.place("/host"));
  const host = recordingHost(machine, []);
  const open = (path: string | undefined, trust = TRUST) => openBundle(host, { path, trust });
  return { ...t, open, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() };
}

describe("openBundle()", () => {
  test("finds images, programs, the runtime and the version, of a directory and of a file", async () => {
    await using t = await setUp();
    const file = await t.create();
    for (const path of [t.stack.dir, file.path]) {
      const bundle = await t.open(path);
      expect(bundle.source?.path).toBe(path);
      expect(bundle.kubernetesVersion).toBe("v1.20.2");
      expect(bundle.image("etcd").reference).toBe("nodelet.local/etcd:v1");
      expect(bundle.images.length).toBe(IMAGES.length);
      expect(bundle.binaries.map(({ name }) => name)).toEqual(["kubelet", "kubectl", "bridge"]);
      expect(bundle.runtime.map(({ name }) => name)).toEqual(["bin/dockerd", "lib/libx.so.1"]);
      expect(bundle.findImage("coredns")).toBeUndefined();
      expect(() => bundle.image("coredns")).toThrow(
        'Cannot find the image "coredns" in the bundle "test-1.20.2"',
      );
      const [kubelet] = bundle.binaries;
      const content = kubelet && (await bytesIn(bundle.content(kubelet)));
      expect(content?.equals(t.stack.files.get("kubelet") ?? Buffer.alloc(0))).toBe(true);
    }
  });

  test("takes the file that is installed, behind the program too", async () => {
    await using t = await setUp();
    await t.root.write("/host/opt/pf9/nodelet/x", "");
    await t.create({ name: "host/opt/pf9/nodelet/nodeletd", program: await t.program() });
    expect((await t.open(undefined)).source?.path).toBe("/opt/pf9/nodelet/nodeletd");
    // What was named once may be on a medium that is gone.
    expect((await t.open("/nowhere")).source?.path).toBe("/opt/pf9/nodelet/nodeletd");
  });

  test("else takes the index that is installed, whose content is not at hand", async () => {
    await using t = await setUp();
    await t.root.write("/host/opt/pf9/nodelet/index.json", JSON.stringify(fakeIndex()));
    for (const path of [undefined, "/nowhere"]) {
      const bundle = await t.open(path);
      expect([bundle.images.length, bundle.source]).toEqual([IMAGES.length, undefined]);
      expect(await refusal(() => bundle.content(bundle.image("etcd")))).toBe(
        'Cannot read "etcd": the bundle "test-1.20.2" is not at hand; name it with --bundle FILE',
      );
    }
  });

  test.each([
    ["none", undefined, "none was given, this program carries none, and this host has none installed"],
    ["one that is gone", "/nowhere", 'there is no "/nowhere"'],
  ])("refuses to work without any: %s", async (_, path, what) => {
    await using t = await setUp();
    expect(await refusal(() => t.open(path))).toBe(
      `Cannot open the bundle: ${what}; name it with --bundle FILE`,
    );
  });

  test("what is named and is no bundle is told, also where one is installed", async () => {
    await using t = await setUp();
    await t.root.write("/host/opt/pf9/nodelet/index.json", JSON.stringify(fakeIndex()));
    const program = await t.program();
    for (const path of [program, "/dev/null"]) {
      expect(await refusal(() => t.open(path), path)).toBe(
        'Cannot open the bundle "FILE": it is neither a bundle file nor a stack directory; name another one with --bundle FILE',
      );
    }
    expect(await refusal(() => t.open(t.root.path), t.root.path)).toStartWith(
      'Cannot open the bundle: "FILE" has no index.json; expected a stack directory',
    );
  });

  test("names the index that it cannot read", async () => {
    await using t = await setUp();
    await t.root.write("/stack/index.json", "{");
    expect(await refusal(() => t.open(t.stack.dir), t.stack.dir)).toStartWith(
      'Cannot read the bundle index "FILE/index.json": it is not JSON',
    );
  });

  test("takes what is installed only when a trusted key has signed it", async () => {
    await using t = await setUp();
    await t.root.write("/host/opt/pf9/nodelet/x", "");
    const { privateKey: key, trusted } = keyPair();
    await t.create({ name: "host/opt/pf9/nodelet/nodeletd", program: await t.program(), key });
    expect((await t.open(undefined, { trusted: [trusted] as never, insecure: false })).images.length).toBe(
      IMAGES.length,
    );
    expect(await refusal(() => t.open(undefined, { trusted: [], insecure: false }))).toStartWith(
      'Cannot trust the bundle "/opt/pf9/nodelet/nodeletd": it is signed by ',
    );
  });
});

test("a host that is no node has an empty bundle", () => {
  expect([EMPTY_BUNDLE.images, EMPTY_BUNDLE.binaries, EMPTY_BUNDLE.kubernetesVersion]).toEqual([[], [], ""]);
});

describe("checkBundle()", () => {
  const check = (bundle: Bundle, host: Partial<Parameters<typeof checkBundle>[1]> = {}) =>
    checkBundle(bundle, {
      platform: "linux/amd64",
      runtime: "host",
      role: "master",
      networkPlugin: "bridge",
      ...host,
    }).map(({ code, message, hint }) => `${code}: ${message}; ${hint}`);

  test("finds nothing wrong with a good one", () => {
    expect(check(bundleOf(fakeIndex(), undefined))).toEqual([]);
  });

  test("tells everything that is wrong at once", () => {
    const whole = fakeIndex([imageEntry("coredns")]);
    const entries = whole.entries.filter(({ name }) => name !== "pause" && name !== "kubelet");
    expect(
      check(bundleOf({ ...whole, entries }, undefined), { platform: "linux/arm64", runtime: "bundled" }),
    ).toEqual([
      'BundlePlatform: Bundle "test-1.20.2" is for linux/amd64; this host is linux/arm64; use the bundle made for this platform',
      'BundleIncomplete: Bundle "test-1.20.2" has no image "pause"; make the bundle again',
      'BundleIncomplete: Bundle "test-1.20.2" has no program "kubelet"; make the bundle again',
      'BundleIncomplete: Bundle "test-1.20.2" has no container runtime; make the bundle again',
    ]);
  });

  test("asks of a worker's bundle no control plane", () => {
    const whole = fakeIndex();
    const lacking = (...left: string[]) => ({
      ...whole,
      entries: whole.entries.filter(({ name }) => !left.includes(name)),
    });
    const masters = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    expect(check(bundleOf(lacking(...masters), undefined), { role: "worker" })).toEqual([]);
    expect(check(bundleOf(lacking("kube-proxy", "etcd"), undefined), { role: "worker" })).toEqual([
      'BundleIncomplete: Bundle "test-1.20.2" has no image "kube-proxy"; make the bundle again',
    ]);
  });
});
