import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import type { BundleFile } from "../../../src/bundle/bundle-file.ts";
import { extractEntries } from "../../../src/bundle/extract.ts";
import { fileSource } from "../../../src/bundle/sources.ts";
import { encodeTrailer, findTrailer, type Trailer, TRAILER_SIZE } from "../../../src/bundle/trailer.ts";
import { bundleWorld, type BundleWorld, keyPair, opened, refusal, withBytes, withIndex } from "./world.ts";

// What others, or a bad medium, make of a signed bundle. Whoever changes what a maker signed is told what is wrong before a
// byte is written.

const maker = keyPair();
const TRUST = { trusted: [maker.trusted], insecure: false };

let t: BundleWorld;
let appliance: BundleFile;
let alone: BundleFile;

beforeAll(async () => {
  t = await bundleWorld();
  appliance = await t.create({ name: "appliance", program: await t.program(), key: maker.privateKey });
  alone = await t.create({ name: "alone", key: maker.privateKey });
});
afterAll(() => t[Symbol.asyncDispose]());

/**
 * Uses a copy of a bundle as a node does: opens it, judges who signed it, checks it, and writes its content.
 *
 * @param change what happened to the copy
 * @returns what is said, and what is written after that
 */
async function use(file: BundleFile, change: (path: string) => Promise<unknown>) {
  const [path, to] = [t.root.place("/copy"), t.root.place("/out")];
  await rm(to, { recursive: true, force: true });
  await mkdir(to);
  await copyFile(file.path, path);
  await change(path);
  let findings: string[] = [];
  const message = await refusal(async () => {
    const source = await fileSource({ path, isSelf: true }, TRUST);
    if (!source) return;
    findings = (await source.check(source.index.entries)).map((one) => one.message.replace(path, "FILE"));
    if (findings.length > 0) return;
    await extractEntries(await opened(path), { entries: source.index.entries, to });
  }, path);
  return { said: findings.length > 0 ? findings.join("\n") : message, written: await readdir(to) };
}

const AGAIN = "copy it again";
const damaged = (what: string) => `Cannot use the bundle "FILE": ${what} is damaged; ${AGAIN}`;
const flip = (at: number) => (path: string) =>
  withBytes(path, (bytes) => void bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at));

test("what nobody has touched is written", async () => {
  for (const file of [appliance, alone]) {
    const { said, written } = await use(file, async () => {});
    expect(said).toBe("nothing was refused");
    expect(written.sort()).toEqual(["bin", "cni", "images", "licences", "runtime"]);
  }
});

describe("a file that is cut off is refused", () => {
  /** Bytes that are left, by the name of the part in which they end. */
  const cuts = ({ trailer, size }: BundleFile): [string, number][] => [
    ["its first byte", 1],
    ["the header of its program", 40],
    ["its program", Math.max(1, trailer.payloadOffset - 1)],
    ["its payload, at its beginning", trailer.payloadOffset + 1],
    ["its payload", Math.floor((trailer.payloadOffset + trailer.indexOffset) / 2)],
    ["its payload, at its end", trailer.indexOffset],
    ["its index", trailer.indexOffset + 10],
    ["its signatures", trailer.indexOffset + trailer.indexSize + 10],
    ["its trailer, at its beginning", size - TRAILER_SIZE],
    ["its trailer", size - 64],
    ["its last byte", size - 1],
  ];

  test.each(["appliance", "alone"])("%s", async (name) => {
    const file = name === "alone" ? alone : appliance;
    for (const [part, left] of cuts(file)) {
      const { said, written } = await use(file, (path) => truncate(path, left));
      expect([part, said, written]).toEqual([
        part,
        `Cannot use the bundle "FILE": it does not end as a bundle does after ${left} bytes; it is cut off, or no bundle; ${AGAIN}, and compare its size with the original's`,
        [],
      ]);
    }
  });

  test("with nothing left it is no bundle; with just its program it is a program without one", async () => {
    expect((await use(alone, (path) => truncate(path, 0))).said).toContain("after 0 bytes");
    const { said, written } = await use(appliance, (path) => truncate(path, appliance.trailer.payloadOffset));
    expect([said, written]).toEqual(["nothing was refused", []]);
  });

  test("with its middle gone", async () => {
    const { said, written } = await use(alone, (path) =>
      withBytes(path, (bytes) => Buffer.concat([bytes.subarray(0, 1000), bytes.subarray(1500)])),
    );
    expect([said, written]).toEqual([
      `Cannot use the bundle "FILE": it has ${alone.size - 500} bytes; by its trailer it has ${alone.size}; ${AGAIN}, and compare its size with the original's`,
      [],
    ]);
  });
});

describe("one flipped byte is named", () => {
  test("in the program", async () => {
    const { said, written } = await use(appliance, flip(2000));
    expect([said, written]).toEqual([
      'Bundle "FILE" is damaged in bytes 0-4999, which are part of program',
      [],
    ]);
  });

  test("in every blob of the payload, at both ends", async () => {
    const start = alone.trailer.payloadOffset;
    for (const { offset, stored } of alone.index.blobs.filter((blob) => blob.stored > 0)) {
      for (const at of [offset, offset + stored - 1]) {
        const { said, written } = await use(alone, flip(start + at));
        expect(said).toStartWith(
          `Bundle "FILE" is damaged in bytes ${offset}-${offset + stored - 1}, which are part of `,
        );
        expect(written).toEqual([]);
      }
    }
  });

  test("in the index", async () => {
    const { indexOffset, indexSize } = appliance.trailer;
    for (const at of [0, 17, indexSize - 1]) {
      const { said, written } = await use(appliance, flip(indexOffset + at));
      expect([said, written]).toEqual([
        damaged(`its index (bytes ${indexOffset}-${indexOffset + indexSize - 1})`),
        [],
      ]);
    }
  });

  test("in the signatures", async () => {
    const { indexOffset, indexSize, signaturesSize } = appliance.trailer;
    const begin = indexOffset + indexSize;
    const notTrusted =
      /^(Cannot trust the bundle "FILE": (its signature by|it is signed by) |Cannot read the signatures of the bundle "FILE": )/;
    // In the words around, the fingerprint and the signature; its very last digit before the filling has bits of no meaning.
    for (const at of [0, 3, 12, signaturesSize - 60, signaturesSize - 1]) {
      const { said, written } = await use(appliance, flip(begin + at));
      expect(said).toMatch(notTrusted);
      expect(written).toEqual([]);
    }
  });

  test("in the trailer", async () => {
    const { size } = appliance;
    const inTrailer = damaged(`its trailer (bytes ${size - TRAILER_SIZE}-${size - 1})`);
    for (const at of [0, 8, 40, 75, 80, 111]) {
      const { said, written } = await use(appliance, flip(size - TRAILER_SIZE + at));
      expect([said, written]).toEqual([inTrailer, []]);
    }
    expect((await use(appliance, flip(size - 1))).said).toContain(
      `does not end as a bundle does after ${size} bytes`,
    );
  });
});

describe("what follows the end of a bundle is refused", () => {
  test.each([1, 128, 4 * 2 ** 20 - 128])("%d bytes, which can be cut off", async (count) => {
    const append = (path: string) => writeFile(path, Buffer.alloc(count, "x"), { flag: "a" });
    const { said, written } = await use(appliance, append);
    const { size } = appliance;
    expect([said, written]).toEqual([
      `Cannot use the bundle "FILE": ${count} bytes follow its end, which is at byte ${size}; cut them off: truncate --size=${size} FILE; or ${AGAIN}`,
      [],
    ]);
    const cut = async (path: string) => {
      await append(path);
      await truncate(path, size);
    };
    expect((await use(appliance, cut)).said).toBe("nothing was refused");
  });

  test("5 MiB", async () => {
    const append = (path: string) => writeFile(path, Buffer.alloc(5 * 2 ** 20, "x"), { flag: "a" });
    const { said, written } = await use(appliance, append);
    expect(said).toContain(`does not end as a bundle does after ${appliance.size + 5 * 2 ** 20} bytes`);
    expect(written).toEqual([]);
  });

  test("another bundle: the last one counts, and does not fit", async () => {
    const { said, written } = await use(alone, async (path) =>
      writeFile(path, await readFile(alone.path), { flag: "a" }),
    );
    expect(said).toContain(`it has ${2 * alone.size} bytes; by its trailer it has ${alone.size}`);
    expect(written).toEqual([]);
  });
});

describe("a trailer that somebody made anew, with its digest right, is refused:", () => {
  const withTrailer = (change: (trailer: Trailer) => Partial<Trailer>) => (path: string) =>
    withBytes(path, (bytes) => {
      const found = findTrailer(bytes);
      if (found.kind !== "trailer") throw new Error("no trailer");
      encodeTrailer({ ...found.trailer, ...change(found.trailer) }).copy(bytes, bytes.length - TRAILER_SIZE);
    });
  const IMPOSSIBLE = 'Cannot use the bundle "FILE": what its trailer says is impossible';

  test.each<[string, (trailer: Trailer) => Partial<Trailer>, string | RegExp]>([
    [
      "a newer format",
      () => ({ format: 3 }),
      'Cannot read the bundle "FILE": it has format 3; this program reads format 2 and older; use the nodelet that came with it, or a newer one',
    ],
    ["an older format, which there never was", () => ({ format: 1 }), IMPOSSIBLE],
    ["an index of 2^53 bytes", () => ({ indexSize: 2 ** 53 }), IMPOSSIBLE],
    ["an index before the payload", () => ({ indexOffset: 10, payloadOffset: 11 }), IMPOSSIBLE],
    ["an index at 2^63", () => ({ indexOffset: 2 ** 63 }), IMPOSSIBLE],
    ["signatures of 100 MB", () => ({ signaturesSize: 1e8 }), IMPOSSIBLE],
    [
      "a larger index",
      ({ indexSize }) => ({ indexSize: indexSize + 1 }),
      /^Cannot use the bundle "FILE": it has \d+ bytes; by its trailer it has \d+/,
    ],
    [
      "signatures that are part of the index",
      ({ indexSize, signaturesSize }) => ({ indexSize: indexSize + signaturesSize, signaturesSize: 0 }),
      /^Cannot use the bundle "FILE": its index \(bytes \d+-\d+\) is damaged/,
    ],
    [
      "a payload that begins elsewhere",
      ({ payloadOffset }) => ({ payloadOffset: payloadOffset + 1 }),
      'Cannot read the bundle index "FILE": its program has 5000 bytes; the payload begins at byte 5001; make the bundle again',
    ],
  ])("%s", async (_, change, what) => {
    const { said, written } = await use(appliance, withTrailer(change));
    if (typeof what === "string") expect(said).toStartWith(what);
    else expect(said).toMatch(what);
    expect(written).toEqual([]);
  });
});

describe("who has no key of the maker", () => {
  test("cannot change the index", async () => {
    const { said, written } = await use(alone, async (path) =>
      withIndex({ ...alone, path }, (index) => void (index.name = "kubernetes-9")),
    );
    expect([said.split(";")[0], written]).toEqual([
      'Cannot trust the bundle "FILE": nobody has signed it',
      [],
    ]);
  });

  test("cannot put another program before the maker's payload", async () => {
    const evil = Buffer.from(await readFile(t.root.place("/program"))).fill(0xcc, 200, 300);
    const { said, written } = await use(appliance, (path) =>
      withBytes(path, (bytes) => void evil.copy(bytes)),
    );
    expect([said, written]).toEqual([
      'Bundle "FILE" is damaged in bytes 0-4999, which are part of program',
      [],
    ]);
  });

  test("cannot make an appliance of a bundle that is a file of its own", async () => {
    const program = await readFile(t.root.place("/program"));
    const { said, written } = await use(alone, (path) =>
      withBytes(path, (bytes) => {
        const { payloadOffset, indexOffset } = alone.trailer;
        const moved = { payloadOffset: payloadOffset + 5000, indexOffset: indexOffset + 5000 };
        const end = encodeTrailer({ ...alone.trailer, ...moved });
        return Buffer.concat([program, bytes.subarray(0, -TRAILER_SIZE), end]);
      }),
    );
    expect([said, written]).toEqual([
      'Cannot read the bundle index "FILE": its program has 0 bytes; the payload begins at byte 5000; make the bundle again',
      [],
    ]);
  });

  test("cannot put the signature of one bundle on another", async () => {
    const other = await t.create({
      name: "other",
      from: { stack: t.stack.dir, leaveOut: ["kubectl"] },
      key: maker.privateKey,
    });
    const signatures = Buffer.from(JSON.stringify(other.signatures));
    const { said, written } = await use(alone, (path) =>
      withBytes(path, (bytes) => {
        const { indexOffset, indexSize } = alone.trailer;
        const end = encodeTrailer({ ...alone.trailer, signaturesSize: signatures.length });
        return Buffer.concat([bytes.subarray(0, indexOffset + indexSize), signatures, end]);
      }),
    );
    expect(said).toStartWith(
      `Cannot trust the bundle "FILE": its signature by ${maker.fingerprint} does not fit its index`,
    );
    expect(written).toEqual([]);
  });

  test("cannot change what was checked before it is used", async () => {
    const path = t.root.place("/late");
    await copyFile(alone.path, path);
    const source = await fileSource({ path }, TRUST);
    const entry = source?.index.entries.find(({ name }) => name === "kubelet");
    if (!source || !entry) throw new Error("no source");
    expect(await source.check([entry])).toEqual([]);
    await withBytes(path, (bytes) => void bytes.fill("evil", 0, alone.trailer.indexOffset));
    const read = () => Array.fromAsync(source.content(entry).stream());
    expect(await refusal(read, path)).toContain("are damaged or missing");
  });
});
