import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type FileHandle, open } from "node:fs/promises";
import { type BundleFile, openBundleFile } from "../../../src/bundle/bundle-file.ts";
import { CHUNK_SIZE, type PackedIndex } from "../../../src/bundle/index-format.ts";
import { parsePackedIndex } from "../../../src/bundle/index-rules.ts";
import { verifyBundleFile } from "../../../src/bundle/verify.ts";
import { AppError } from "../../../src/errors.ts";
import { bundleWorld, type BundleWorld, keyPair } from "./world.ts";

/** Numbers below a bound, the same ones in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

let t: BundleWorld;
let file: BundleFile;

beforeAll(async () => {
  t = await bundleWorld();
  const leaveOut = ["kube-controller-manager", "kube-proxy", "kube-apiserver", "kubelet", "kube-scheduler"];
  const from = { stack: t.stack.dir, leaveOut };
  file = await t.create({ program: await t.program(), key: keyPair().privateKey, from });
});
afterAll(() => t[Symbol.asyncDispose]());

/** Writes a byte into the file. @returns what was there */
async function exchange(handle: FileHandle, { at, byte }: { at: number; byte: number }): Promise<number> {
  const before = Buffer.alloc(1);
  await handle.read(before, 0, 1, at);
  await handle.write(Buffer.of(byte), 0, 1, at);
  return before[0] ?? 0;
}

/** What becomes of a file: an error for the operator, damage that was found, or the index as it was made. */
async function outcome(): Promise<string> {
  try {
    const found = await openBundleFile(file);
    if (!found) return "no bundle";
    if ((await verifyBundleFile(found)).length > 0) return "damage";
    return found.indexBytes.equals(file.indexBytes) ? "as it was" : "another index";
  } catch (error) {
    if (error instanceof AppError && error.hint) return "refused";
    throw error;
  }
}

test("a byte that is another one is found, wherever it is; but for signatures, which trust judges", async () => {
  const random = numbers(1);
  const { indexOffset, indexSize, signaturesSize } = file.trailer;
  const signatures = indexOffset + indexSize;
  await using handle = await open(file.path, "r+");
  const seen = new Map<string, number>();
  for (let round = 0; round < 2000; round++) {
    // Half of them in the few bytes behind the payload.
    const at = round % 2 === 0 ? random(file.size) : indexOffset + random(file.size - indexOffset);
    const byte = random(256);
    const before = await exchange(handle, { at, byte });
    const found = await outcome();
    await exchange(handle, { at, byte: before });
    const inSignatures = at >= signatures && at < signatures + signaturesSize;
    const allowed = byte === before || inSignatures ? ["as it was", "refused"] : ["damage", "refused"];
    expect([at, byte, allowed.includes(found) ? "" : found]).toEqual([at, byte, ""]);
    seen.set(found, (seen.get(found) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual(["as it was", "damage", "refused"]);
  expect(await outcome()).toBe("as it was");
});

/** Reads an index that somebody changed; what is taken must be safe to use. @returns whether it was taken */
function taken(text: string): boolean {
  const { payloadOffset: program, indexOffset } = file.trailer;
  const payload = indexOffset - program;
  try {
    const index = parsePackedIndex(text, { from: "FILE", program, payload });
    expect(unsafe(index, payload)).toEqual([]);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.hint && !/[\x00-\x1f\x7f-\x9f]/.test(error.message)) return false;
    throw error;
  }
}

/** What nobody may find in an index that was taken. */
function unsafe({ entries, links = [], blobs, program }: PackedIndex, payload: number): unknown[] {
  const isSafe = (name: unknown) =>
    typeof name === "string" && /^[\w.+-]+(\/[\w.+-]+)*$/.test(name) && !name.includes("..");
  const names = [...entries, ...links].map(({ name }) => name);
  const ends = blobs.map(({ offset, stored }) => offset + stored);
  return [
    ...names.filter((name) => !isSafe(name)),
    ...links.filter(({ target }) => !isSafe(target) || target.includes("/")),
    ...entries.filter(({ size }) => !(size >= 0 && size <= 2 ** 40)),
    ...blobs.filter(({ size, chunks }) => chunks.length !== Math.ceil(size / CHUNK_SIZE)),
    ...(ends.at(-1) === payload ? [] : ["payload"]),
    ...(program?.size === file.trailer.payloadOffset ? [] : ["program"]),
  ];
}

/** The places of all values in a value, as lists of keys. */
function placesIn(value: unknown, at: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, one]) => placesIn(one, [...at, key]))];
}

describe("an index", () => {
  const NASTY = [
    "null",
    "true",
    "-1",
    "0.5",
    "1e999",
    "9007199254740993",
    '""',
    '"../x"',
    '"/etc/passwd"',
    '"\\u0000"',
    '"\\u001b[2J"',
    "[]",
    "{}",
    "[null]",
    "[[]]",
    '{"toString":1}',
    '{"__proto__":{"name":1}}',
    `"${"0".repeat(64)}"`,
    '"image"',
    '"runtime-link"',
  ];

  test("with any value in any place is refused, or safe to use", () => {
    const text = file.indexBytes.toString();
    expect(taken(text)).toBe(true);
    const places = placesIn(JSON.parse(text)).filter((place) => place.length > 0);
    const results = new Set<boolean>();
    for (const place of places) {
      for (const nasty of NASTY) {
        const copy = JSON.parse(text) as Record<string, unknown>;
        const parent = place.slice(0, -1).reduce((value, key) => value[key] as Record<string, unknown>, copy);
        parent[place.at(-1) ?? ""] = "NASTY";
        results.add(taken(JSON.stringify(copy).replace('"NASTY"', () => nasty)));
      }
    }
    expect(places.length).toBeGreaterThan(100);
    expect(results.size).toBe(2);
  });

  test("whose text was cut, doubled or changed is refused, or safe to use", () => {
    const random = numbers(2);
    const text = file.indexBytes.toString();
    const results = new Set<boolean>();
    for (let round = 0; round < 3000; round++) {
      const [from, length] = [random(text.length), random(40)];
      const piece = text.slice(from, from + length);
      const to = random(text.length);
      const without = text.slice(0, from) + text.slice(from + length);
      const changed = [
        without,
        text.slice(0, to) + piece + text.slice(to),
        text.replace(piece, String.fromCharCode(random(128))),
      ];
      results.add(taken(changed[round % 3] ?? ""));
    }
    expect(results.has(false)).toBe(true);
  });
});
