import { describe, expect, test } from "bun:test";
import { openRemote, remoteBundle } from "../../../src/bundle/remote.ts";
import { InterruptedError } from "../../../src/errors.ts";
import { type FakeSource, fakeSource } from "../../fake/byte-source.ts";
import { bundleWorld, keyPair, refusal } from "./world.ts";

const INSECURE = { trusted: [], insecure: true };

/** A world whose bundles are at hand as bytes. */
async function setUp() {
  const t = await bundleWorld();
  const bytesOf = async (options: Parameters<typeof t.create>[0] = {}) =>
    Buffer.from(await Bun.file((await t.create(options)).path).bytes());
  return { ...t, bytesOf, [Symbol.asyncDispose]: () => t[Symbol.asyncDispose]() };
}

/** Opens what sources have. @returns names of those that stay, what was said, and the error */
async function openAll(sources: readonly FakeSource[], trust = INSECURE) {
  const said: string[] = [];
  let names: string[] = [];
  const signal = new AbortController().signal;
  const error = await refusal(async () => {
    const remote = await openRemote({ sources, trust, signal, say: (line) => said.push(line) });
    names = remote.sources.map(({ name }) => name);
  });
  return { names, said, error };
}

describe("openRemote()", () => {
  test("reads the end of a bundle and nothing else", async () => {
    await using t = await setUp();
    const file = await t.create({ program: await t.program() });
    const source = fakeSource(Buffer.from(await Bun.file(file.path).bytes()));
    const signal = new AbortController().signal;
    const remote = await openRemote({ sources: [source], trust: INSECURE, signal });
    expect(remote.index).toEqual(file.index);
    expect(remote.trailer).toEqual(file.trailer);
    expect(Math.min(...source.asked)).toBe(file.trailer.indexOffset);
  });

  test("takes one that a trusted key has signed, and refuses all others in the words of a file", async () => {
    await using t = await setUp();
    const maker = keyPair();
    const signed = fakeSource(await t.bytesOf({ key: maker.privateKey }));
    const unsigned = fakeSource(await t.bytesOf());
    const trust = { trusted: [maker.trusted] as never, insecure: false };
    expect((await openAll([signed], trust)).names).toEqual(["m1"]);
    expect((await openAll([unsigned], trust)).error).toBe(
      `Cannot trust the bundle "m1": nobody has signed it; trusted keys: ${maker.fingerprint}; name the maker's key with --trusted-key FILE, or take it as it is with --insecure-bundle`,
    );
    expect((await openAll([signed], { trusted: [], insecure: false })).error).toStartWith(
      `Cannot trust the bundle "m1": it is signed by ${maker.fingerprint}; trusted keys: none`,
    );
  });

  test("leaves out sources that have another bundle, or none that can be used", async () => {
    await using t = await setUp();
    const bytes = await t.bytesOf();
    const sources = [
      fakeSource(bytes.subarray(0, -1), { name: "cut" }),
      fakeSource(bytes, { name: "m1" }),
      fakeSource(await t.bytesOf({ program: await t.program() }), { name: "other" }),
      fakeSource(Buffer.from(await Bun.file(await t.program()).bytes()), { name: "bare" }),
      fakeSource(bytes, { name: "broken", misdeed: () => "breaks" }),
      fakeSource(bytes, { name: "short", misdeed: () => "too few" }),
      fakeSource(bytes, { name: "m2" }),
    ];
    const { names, said } = await openAll(sources);
    expect(names).toEqual(["m1", "m2"]);
    expect(said.map((line) => line.replace(/[0-9]+/g, "N"))).toEqual([
      'left out: Cannot use the bundle "cut": it does not end as a bundle does after N bytes; it is cut off, or no bundle',
      'left out: Cannot stream the bundle of "bare": it is a program without one',
      'left out: Cannot stream the bundle of "broken": ECONNRESET',
      'left out: Cannot stream the bundle of "short": it sent N bytes from byte N on; expected N',
      "left out: other has another bundle than mN",
    ]);
  });

  test("tells of every source why it cannot be used when none can", async () => {
    await using t = await setUp();
    const bytes = await t.bytesOf();
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bytes.length - 200) ^ 1, bytes.length - 200);
    const { names, error } = await openAll([
      fakeSource(flipped, { name: "flipped" }),
      fakeSource(Buffer.alloc(0), { name: "empty" }),
    ]);
    expect(names).toEqual([]);
    expect(error).toMatch(
      /^Cannot stream the bundle: none of 2 sources has one that can be used\n {2}Cannot use the bundle "flipped": its index \(bytes \d+-\d+\) is damaged\n {2}Cannot use the bundle "empty": it does not end as a bundle does after 0 bytes; .*; copy it again/,
    );
  });

  test("waits for no source that is silent when another one has answered", async () => {
    await using t = await setUp();
    const bytes = await t.bytesOf();
    const silent = fakeSource(bytes, { name: "silent", misdeed: () => "hangs" });
    const said: string[] = [];
    const remote = await openRemote({
      sources: [silent, fakeSource(bytes, { name: "m2" })],
      trust: INSECURE,
      signal: new AbortController().signal,
      say: (line) => said.push(line),
      lateMs: 1,
    });
    expect(remote.sources.map(({ name }) => name)).toEqual(["m2"]);
    expect(said).toEqual([
      'left out: Cannot stream the bundle of "silent": no answer while others had theirs, and 0.001 s more',
    ]);
  });

  test("ends when the operator asks, whatever the sources do", async () => {
    await using t = await setUp();
    const stop = new AbortController();
    const hung = fakeSource(await t.bytesOf(), { misdeed: () => "hangs" });
    const opening = openRemote({ sources: [hung], trust: INSECURE, signal: stop.signal });
    stop.abort();
    await expect(opening).rejects.toBeInstanceOf(InterruptedError);
  });
});

test("remoteBundle() is an index, and the room that its content will take", async () => {
  await using t = await setUp();
  const source = fakeSource(await t.bytesOf());
  const signal = new AbortController().signal;
  const remote = await openRemote({ sources: [source], trust: INSECURE, signal });
  const bundleFor = (role: "master" | "worker") =>
    remoteBundle(remote, { role, runtime: "bundled", networkPlugin: "bridge" });
  const master = bundleFor("master");
  expect(master.images.length).toBe(7);
  expect(master.source?.fileSize).toBe(remote.trailer.indexOffset);
  expect(bundleFor("worker").source?.fileSize).toBeLessThan(remote.trailer.indexOffset);
  expect(await master.source?.check(master.index.entries)).toEqual([]);
  expect(await refusal(() => master.content(master.image("etcd")))).toStartWith(
    'Cannot read "etcd": the bundle of "m1" is not streamed yet',
  );
});
