import { describe, expect, test } from "bun:test";
import { truncate } from "node:fs/promises";
import { openBundle } from "../../../src/bundle/bundle.ts";
import { blobContent, type BundleFile } from "../../../src/bundle/bundle-file.ts";
import { createBundle } from "../../../src/bundle/create.ts";
import { readGaps } from "../../../src/bundle/gaps.ts";
import { bytesToStream, openRemote } from "../../../src/bundle/remote.ts";
import { streamBundle } from "../../../src/bundle/stream.ts";
import { verifyBundleFile } from "../../../src/bundle/verify.ts";
import { Journal } from "../../../src/host/journal.ts";
import { undoAll } from "../../../src/host/undo.ts";
import { paths } from "../../../src/paths.ts";
import { type FakeSource, fakeSource } from "../../fake/byte-source.ts";
import { fakeClock } from "../../fake/clock.ts";
import { attachedHost } from "../../fake/host.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { bytesOf } from "../../fake/stack.ts";
import { type BundleWorld, bundleWorld, bytesIn, opened, refusal, withBytes } from "./world.ts";

const TRUST = { trusted: [], insecure: true };
const MASTER = { role: "master", runtime: "bundled", networkPlugin: "bridge" } as const;
const WORKER = { role: "worker", runtime: "host", networkPlugin: "bridge" } as const;

/** Content that makes more than one piece. */
const LARGE = bytesOf(9, 12 * 2 ** 20);

/** A master's bundle, behind a program, and a host that has nothing. */
async function setUp(more: Readonly<Record<string, Buffer>> = {}) {
  const t: BundleWorld = await bundleWorld(more);
  const file = await t.create({ program: await t.program() });
  const bytes = Buffer.from(await Bun.file(file.path).bytes());
  const machine = fakeMachine(t.root.place("/host"));
  const journal = new Journal(machine);
  const host = attachedHost(machine, { journal });
  await t.root.write("/host/opt/other", "");
  const place = machine.root + paths.installedBundle;
  const partial = machine.root + paths.partialBundle;
  let told = 0;
  const stream = async (
    sources: readonly FakeSource[] = [fakeSource(bytes)],
    {
      node = MASTER,
      ...rest
    }: { node?: typeof MASTER | typeof WORKER; freeBytes?: () => Promise<number> } = {},
  ) => {
    const signal = new AbortController().signal;
    const remote = await openRemote({ sources, trust: TRUST, signal });
    told = 0;
    const onBytes = (count: number) => (told += count);
    const outcome = await streamBundle(remote, { host, node, clock: fakeClock(), signal, onBytes, ...rest });
    return { outcome, told, total: bytesToStream(remote, node) };
  };
  return {
    ...t,
    file,
    bytes,
    host,
    machine,
    journal,
    place,
    partial,
    stream,
    told: () => told,
    open: () => openBundle(host, { path: undefined, trust: TRUST }),
    [Symbol.asyncDispose]: () => t[Symbol.asyncDispose](),
  };
}

/** What was asked for beside the end. */
const payloadOf = ({ asked }: FakeSource, { trailer }: BundleFile) =>
  asked.filter((at) => at < trailer.indexOffset);

describe("streamBundle()", () => {
  test("makes a master's bundle the bundle of this node, but for the program", async () => {
    await using t = await setUp();
    const { outcome, told, total } = await t.stream();
    expect([outcome, told, total]).toEqual(["changed", total, t.file.trailer.indexOffset - 5000]);
    const whole = Buffer.from(t.bytes).fill(0, 0, 5000);
    expect(whole.equals(Buffer.from(await Bun.file(t.place).bytes()))).toBe(true);
    const bundle = await t.open();
    expect(bundle.source?.path).toBe(paths.installedBundle);
    expect(await bundle.source?.check(bundle.index.entries)).toEqual([]);
    const [kubelet] = bundle.binaries;
    const content = kubelet && (await bytesIn(bundle.content(kubelet)));
    expect(content?.equals(t.stack.files.get("kubelet") ?? Buffer.alloc(0))).toBe(true);
    expect(await Bun.file(t.partial).exists()).toBe(false);
    expect(await t.root.mode("/host/opt/pf9/nodelet/bundle")).toBe(0o644);
  });

  test("leaves out what a worker has no use for, and says so of all that is asked for it", async () => {
    await using t = await setUp();
    const source = fakeSource(t.bytes);
    await t.stream([source], { node: WORKER });
    const bundle = await t.open();
    const proxy = bundle.image("kube-proxy");
    expect((await bytesIn(bundle.content(proxy))).length).toBe(bundle.content(proxy).size);
    expect(await refusal(() => bytesIn(bundle.content(bundle.image("etcd"))))).toBe(
      'Cannot read etcd: the bundle "/opt/pf9/nodelet/bundle" was streamed without it; name a whole bundle with --bundle FILE',
    );
    expect(await bundle.source?.check([proxy, bundle.image("etcd")])).toEqual([
      {
        code: "BundleIncomplete",
        message: 'Bundle "/opt/pf9/nodelet/bundle" was streamed without etcd',
        hint: "name a whole bundle with --bundle FILE",
      },
    ]);
    // It is where it is to be already.
    expect(bundle.source?.fileSize).toBe(0);
    const file = await opened(t.place);
    expect(await verifyBundleFile(file)).toEqual([]);
    // Zeros are not handed on.
    const again = createBundle({ from: { bundle: file }, out: t.root.place("/again") });
    expect(await refusal(() => again)).toStartWith(
      `Cannot take over "${t.place}": it was streamed without etcd, kube-apiserver, `,
    );
    expect(await Bun.file(t.root.place("/again")).exists()).toBe(false);
    // What a worker and a master share is there.
    const shared = t.stack.images.get("kube-proxy")?.[1] ?? Buffer.alloc(0);
    const digest = new Bun.CryptoHasher("sha256").update(shared).digest("hex");
    expect((await bytesIn(blobContent(file, digest))).equals(shared)).toBe(true);
  });

  test("run again it asks for nothing, and puts back what was damaged since", async () => {
    await using t = await setUp();
    await t.stream();
    const again = fakeSource(t.bytes);
    expect((await t.stream([again])).outcome).toBe("unchanged");
    expect(payloadOf(again, t.file)).toEqual([]);
    await withBytes(t.place, (bytes) => void bytes.writeUInt8(bytes.readUInt8(5001) ^ 1, 5001));
    const repair = fakeSource(t.bytes);
    expect((await t.stream([repair])).outcome).toBe("changed");
    expect(payloadOf(repair, t.file)).toEqual([5000]);
    expect(await verifyBundleFile(await opened(t.place))).toEqual([]);
  });

  test("a worker that becomes a master fetches just the rest", async () => {
    await using t = await setUp();
    await t.stream(undefined, { node: WORKER });
    const { told, total, outcome } = await t.stream();
    expect([outcome, told]).toEqual(["changed", total]);
    expect(await readGaps(t.place, t.file.trailer.indexSha256)).toEqual({ program: true, blobs: new Set() });
    const bundle = await t.open();
    expect(await bundle.source?.check(bundle.index.entries)).toEqual([]);
  });

  test("goes on where a run ended whose sources all died", async () => {
    await using t = await setUp({ large: LARGE });
    // The first three requests are for the end of the file.
    const dying = fakeSource(t.bytes, { misdeed: (n) => (n > 4 ? "breaks" : undefined) });
    expect(await refusal(() => t.stream([dying]))).toMatch(
      /^Cannot stream the bundle: \d+ MiB of \d+ MiB are here, and no source is left\n {2}m1: it failed \d+ times in 12 s, .*; run the same command again: it goes on where this one ended$/,
    );
    const done = t.told();
    expect(done).toBeGreaterThan(0);
    // Nobody takes a part for the whole.
    expect(await Bun.file(t.place).exists()).toBe(false);
    expect(await refusal(t.open)).toStartWith("Cannot open the bundle: none was given");
    const living = fakeSource(t.bytes);
    const { told, total, outcome } = await t.stream([living]);
    expect([outcome, told]).toEqual(["changed", total]);
    const asked = payloadOf(living, t.file);
    expect(asked.filter((at) => payloadOf(dying, t.file).slice(0, 2).includes(at))).toEqual([]);
    expect(await verifyBundleFile(await opened(t.place))).toEqual([]);
  });

  test.each<[string, (partial: string, bytes: Buffer) => Promise<unknown>]>([
    ["nothing but the name", (partial) => Bun.write(partial, "")],
    ["half of the end", (partial, bytes) => Bun.write(partial, bytes.subarray(0, -100))],
    ["zeros", (partial, bytes) => Bun.write(partial, Buffer.alloc(bytes.length))],
    ["all, but for the name", (partial, bytes) => Bun.write(partial, bytes)],
    [
      "a shorter file",
      async (partial, bytes) => {
        await Bun.write(partial, bytes);
        await truncate(partial, 6000);
      },
    ],
  ])("begins anew or goes on after a kill that left %s", async (_, leave) => {
    await using t = await setUp();
    await t.root.write(`/host${paths.partialBundle}`, "");
    await leave(t.partial, t.bytes);
    expect((await t.stream()).outcome).toBe("changed");
    expect(await verifyBundleFile(await opened(t.place))).toEqual([]);
  });

  test("takes the place of another bundle, and of its gaps", async () => {
    await using t = await setUp();
    await t.stream(undefined, { node: WORKER });
    const other = await t.create({ name: "other.bundle" });
    const bytes = Buffer.from(await Bun.file(other.path).bytes());
    await t.stream([fakeSource(bytes)]);
    const file = await opened(t.place);
    expect([file.trailer.indexSha256, file.gaps]).toEqual([other.trailer.indexSha256, undefined]);
    expect(await Bun.file(t.machine.root + paths.bundleGaps).exists()).toBe(false);
    expect(await verifyBundleFile(file)).toEqual([]);
  });

  test("a source whose file changes in the middle is left out, and nothing of it stays", async () => {
    await using t = await setUp({ large: LARGE });
    const changing = fakeSource(t.bytes, {
      name: "changing",
      misdeed: (n) => (n > 3 ? "wrong bytes" : undefined),
    });
    await t.stream([changing, fakeSource(t.bytes, { name: "m2" })]);
    expect(changing.asked.length).toBeLessThanOrEqual(3 + 2 + 1);
    expect(await verifyBundleFile(await opened(t.place))).toEqual([]);
  });

  test("looks for room before it writes anything", async () => {
    await using t = await setUp({ large: LARGE });
    expect(await refusal(() => t.stream(undefined, { freeBytes: async () => 2 ** 20 }))).toMatch(
      /^Cannot stream the bundle: the file system of "\/opt\/pf9\/nodelet" has 1 MiB free; expected 6 MiB; make room for 5 MiB more there, and run the same command again$/,
    );
    expect([await Bun.file(t.partial).exists(), await Bun.file(t.place).exists()]).toEqual([false, false]);
  });

  test("tells why it cannot write", async () => {
    await using t = await setUp();
    await t.root.write(`/host${paths.partialBundle}/in the way`, "");
    expect(await refusal(t.stream)).toStartWith(`Cannot write "${paths.partialBundle}": `);
    expect(await Bun.file(t.place).exists()).toBe(false);
  });

  test("is undone by reset, whole or in the middle", async () => {
    await using t = await setUp({ large: LARGE });
    await t.stream([fakeSource(t.bytes, { misdeed: (n) => (n > 4 ? "breaks" : undefined) })]).catch(() => {});
    expect(await Bun.file(t.partial).exists()).toBe(true);
    await undoAll(t.machine, { records: t.journal.records() });
    expect(await t.host.list("/opt")).toEqual(["other"]);
    await t.stream();
    await undoAll(t.machine, { records: t.journal.records() });
    expect(await t.host.list("/opt")).toEqual(["other"]);
  });
});
