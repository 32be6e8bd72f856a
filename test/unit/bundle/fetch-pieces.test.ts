import { describe, expect, test } from "bun:test";
import { fetchPieces, type FetchOptions } from "../../../src/bundle/fetch-pieces.ts";
import { joined, type Piece } from "../../../src/bundle/pieces.ts";
import { InterruptedError } from "../../../src/errors.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { type FakeSource, fakeSource } from "../../fake/byte-source.ts";
import { fakeClock } from "../../fake/clock.ts";
import { bytesOf } from "../../fake/stack.ts";
import { refusal } from "./world.ts";

const SIZE = 100;
const BYTES = bytesOf(5, 12 * SIZE);

/** Pieces of a hundred bytes, named by their number. */
const PIECES: Piece[] = Array.from({ length: 12 }, (_, index) => {
  const at = index * SIZE;
  const stretch = { at, size: SIZE, sha256: sha256(BYTES.subarray(at, at + SIZE)), parts: [`part${index}`] };
  return { at, size: SIZE, stretches: [stretch] };
});

/** Fetches all pieces. @returns what was stored, and what was said */
async function fetchAll(sources: readonly FakeSource[], more: Partial<FetchOptions> = {}) {
  const stored = Buffer.alloc(BYTES.length);
  const said: string[] = [];
  let bytes = 0;
  const error = await refusal(() =>
    fetchPieces({
      sources,
      pieces: PIECES,
      have: 0,
      store: async (piece, content) => void content.copy(stored, piece.at),
      signal: new AbortController().signal,
      clock: fakeClock(),
      say: (line) => said.push(line),
      onBytes: (count) => (bytes += count),
      ...more,
    }),
  );
  return { whole: stored.equals(BYTES), said, bytes, error };
}

const GOOD = { whole: true, said: [], bytes: BYTES.length, error: "nothing was refused" };

describe("fetchPieces()", () => {
  test("asks a single source for each piece once, and takes no source for nothing", async () => {
    const source = fakeSource(BYTES);
    expect(await fetchAll([source])).toEqual(GOOD);
    expect(source.asked).toEqual(PIECES.map(({ at }) => at));
    expect((await fetchAll([], { pieces: [] })).error).toBe("nothing was refused");
  });

  test("asks several sources at once, never for more than two pieces each", async () => {
    const waiting = Promise.withResolvers<void>();
    const sources = ["m1", "m2", "m3"].map((name) =>
      fakeSource(BYTES, { name, gate: () => waiting.promise }),
    );
    const all = fetchAll(sources);
    expect(sources.map(({ asked }) => asked)).toEqual([
      [0, 300],
      [100, 400],
      [200, 500],
    ]);
    waiting.resolve();
    expect(await all).toEqual(GOOD);
  });

  test("holds no more than six pieces at once, of however many sources", async () => {
    const waiting = Promise.withResolvers<void>();
    const sources = PIECES.map((_, at) => fakeSource(BYTES, { name: `m${at}`, gate: () => waiting.promise }));
    const all = fetchAll(sources);
    expect(sources.reduce((sum, { open }) => sum + open.size, 0)).toBe(6);
    waiting.resolve();
    expect(await all).toEqual(GOOD);
  });

  test("a fast source does the work of a slow one, and ends what that has begun", async () => {
    const slow = fakeSource(BYTES, { name: "slow", misdeed: () => "hangs" });
    const fast = fakeSource(BYTES, { name: "fast" });
    expect(await fetchAll([slow, fast])).toEqual(GOOD);
    expect(slow.asked.length).toBe(2);
    expect(fast.asked.toSorted((a, b) => a - b)).toEqual(PIECES.map(({ at }) => at));
    expect(slow.open.size).toBe(0);
  });

  test("leaves a source out at once that sends wrong bytes, and names them", async () => {
    const evil = fakeSource(BYTES, { name: "evil", misdeed: (n) => (n === 0 ? "wrong bytes" : undefined) });
    const result = await fetchAll([evil, fakeSource(BYTES, { name: "good" })]);
    expect(result).toEqual({
      ...GOOD,
      said: ["left out: evil: it sent wrong bytes for part0 (bytes 0-99)"],
    });
    expect(evil.asked.length).toBeLessThanOrEqual(2);
  });

  test("forgives connections that break, but not for ten seconds without a piece in between", async () => {
    const flaky = fakeSource(BYTES, { misdeed: (n) => (n % 7 < 6 ? "breaks" : undefined) });
    expect(await fetchAll([flaky])).toEqual(GOOD);
    for (const [misdeed, why] of [
      ["breaks", "ECONNRESET"],
      ["too few", "it sent 99 bytes from byte \\d+ on; expected 100"],
    ] as const) {
      // It begins well, so that not every failure counts.
      const bad = fakeSource(BYTES, { name: "bad", misdeed: (n) => (n < 4 ? undefined : misdeed) });
      const { said, error } = await fetchAll([bad]);
      const line = `bad: it failed \\d+ times in 12 s, last with bytes \\d+-\\d+: ${why}`;
      expect(said).toEqual([expect.stringMatching(new RegExp(`^left out: ${line}$`))]);
      expect(error).toMatch(new RegExp(`no source is left\n  ${line}; run the same command again`));
      expect(said[0]).toContain(` ${bad.asked.length - 4} times `);
    }
  });

  test("a single source that nobody reaches for some seconds rests before it is asked again, longer each time", async () => {
    const clock = fakeClock();
    const isAway = () =>
      clock.monotonic() < 5000 || (clock.monotonic() > 20_000 && clock.monotonic() < 21_000);
    const away = fakeSource(BYTES, { misdeed: () => (isAway() ? "breaks" : undefined) });
    let pieces = 0;
    const onBytes = () => {
      // Away a second time, when some pieces are there.
      if (++pieces === 6) void clock.sleep(20_001 - clock.monotonic());
    };
    const { error, said, whole } = await fetchAll([away], { clock, onBytes });
    expect({ error, said, whole }).toEqual({ error: GOOD.error, said: [], whole: true });
    // Both lanes fail, and rest once.
    expect(clock.sleeps.filter((ms) => ms <= 2000)).toEqual([250, 500, 1000, 2000, 2000, 250, 500, 1000]);
  });

  test("others go on while one rests", async () => {
    const rested = Promise.withResolvers<void>();
    const clock = { ...fakeClock(), sleep: () => rested.promise };
    const away = fakeSource(BYTES, { name: "away", misdeed: () => "breaks" });
    expect(await fetchAll([away, fakeSource(BYTES)], { clock })).toEqual(GOOD);
    expect(away.asked.length).toBe(2);
  });

  test("the operator need not wait for one that rests", async () => {
    const stop = new AbortController();
    const resting = Promise.withResolvers<void>();
    const sleep = (_: number, signal?: AbortSignal) => {
      resting.resolve();
      return new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
    };
    const away = fakeSource(BYTES, { misdeed: () => "breaks" });
    const all = fetchAll([away], { clock: { ...fakeClock(), sleep }, signal: stop.signal });
    await resting.promise;
    stop.abort();
    expect((await all).error).toStartWith("Interrupted: did not stream the bundle");
    expect(away.asked.length).toBe(2);
  });

  test("asks others for what a source has not got, and that one for the rest", async () => {
    const partial = fakeSource(BYTES, {
      name: "partial",
      misdeed: (_, { at }) => (at < 600 ? "has it not" : undefined),
    });
    const whole = fakeSource(BYTES, { name: "whole" });
    expect(await fetchAll([partial, whole])).toEqual(GOOD);
    expect(new Set(partial.asked).size).toBe(partial.asked.length);
    expect(partial.asked.some((at) => at >= 600)).toBe(true);
  });

  test("a source that does not answer is given up after its time", async () => {
    const hung = fakeSource(BYTES, { name: "hung", misdeed: () => "hangs" });
    const { said, error } = await fetchAll([hung], { pieceMs: 1, pieces: PIECES.slice(0, 1) });
    const why = "hung: it failed 9 times in 12 s, last with bytes 0-99: no answer within 0.001 s";
    expect(said).toEqual([`left out: ${why}`]);
    expect(error).toBe(
      `Cannot stream the bundle: 0 MiB of 0 MiB are here, and no source is left\n  ${why}; run the same command again: it goes on where this one ended`,
    );
  });

  test("says how much is there, and of every source why it is of no more use", async () => {
    const dying = fakeSource(BYTES, { name: "dying", misdeed: (n) => (n > 3 ? "breaks" : undefined) });
    const lacking = fakeSource(BYTES, { name: "lacking", misdeed: () => "has it not" });
    const pieces = PIECES.slice(0, 6);
    const { error, bytes } = await fetchAll([dying, lacking], { have: 3 * 2 ** 20, pieces });
    expect(bytes).toBe(400);
    expect(error).toMatch(
      /^Cannot stream the bundle: 3 MiB of 3 MiB are here, and no source is left\n {2}dying: it failed \d+ times in 12 s, last with bytes .*: ECONNRESET\n {2}lacking: it has not got part4, part5; run the same command again: it goes on where this one ended$/,
    );
  });

  test("knows when asking again is of no use", async () => {
    const lacking = ["m1", "m2"].map((name) => fakeSource(BYTES, { name, misdeed: () => "has it not" }));
    const { error } = await fetchAll(lacking, { pieces: PIECES.slice(0, 1) });
    expect(error).toEndWith(
      "no source is left\n  m1: it has not got part0\n  m2: it has not got part0; copy the bundle here and name it with --bundle FILE",
    );
  });

  test("ends at once when the operator asks, or what is fetched cannot be stored", async () => {
    const stop = new AbortController();
    const hung = fakeSource(BYTES, { misdeed: () => "hangs" });
    const ending = fetchPieces({
      sources: [hung],
      pieces: PIECES,
      have: 0,
      store: async () => {},
      clock: fakeClock(),
      signal: stop.signal,
    });
    stop.abort();
    await expect(ending).rejects.toBeInstanceOf(InterruptedError);
    expect(hung.open.size).toBe(0);
    const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
    const source = fakeSource(BYTES);
    const failing = fetchPieces({
      sources: [source, fakeSource(BYTES, { name: "m2", misdeed: () => "hangs" })],
      pieces: PIECES,
      have: 0,
      store: async () => {
        throw full;
      },
      clock: fakeClock(),
      signal: new AbortController().signal,
    });
    await expect(failing).rejects.toBe(full);
  });

  test("stores every piece once, though two sources have sent it", async () => {
    const gate = Promise.withResolvers<void>();
    const both = ["m1", "m2"].map((name) => fakeSource(BYTES, { name, gate: () => gate.promise }));
    const stored: number[] = [];
    const all = fetchAll(both, {
      pieces: PIECES.slice(0, 1),
      store: async (piece) => void stored.push(piece.at),
    });
    expect(both.map(({ asked }) => asked)).toEqual([[0], [0]]);
    gate.resolve();
    expect((await all).bytes).toBe(SIZE);
    expect(stored).toEqual([0]);
  });
});

describe("joined()", () => {
  const stretch = (at: number, size: number) => ({ at, size, sha256: "", parts: [] });
  const places = (...list: [number, number][]) =>
    joined(list.map(([at, size]) => stretch(at, size))).map(({ at, size, stretches }) => [
      at,
      size,
      stretches.length,
    ]);

  test("joins neighbours up to four MiB, and nothing over a gap", () => {
    const MIB = 2 ** 20;
    expect(places([0, 10], [10, 5], [16, 4])).toEqual([
      [0, 15, 2],
      [16, 4, 1],
    ]);
    expect(places([0, 3 * MIB], [3 * MIB, MIB], [4 * MIB, 5 * MIB], [9 * MIB, 1])).toEqual([
      [0, 4 * MIB, 2],
      [4 * MIB, 5 * MIB, 1],
      [9 * MIB, 1, 1],
    ]);
    expect(places()).toEqual([]);
  });
});
