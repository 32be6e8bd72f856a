import { describe, expect, test } from "bun:test";
import { entriesWithGaps, gapsFor, gapsPath, readGaps, writeGaps } from "../../../src/bundle/gaps.ts";
import { paths } from "../../../src/paths.ts";
import { tmpRoot } from "../../fake/root.ts";
import { bundleWorld, refusal } from "./world.ts";

const [ONE, TWO, INDEX] = ["1".repeat(64), "2".repeat(64), "a".repeat(64)];

test("the gaps of the installed bundle are where the paths say", () => {
  expect(gapsPath(paths.installedBundle)).toBe(paths.bundleGaps);
});

describe("gapsFor()", () => {
  test("leaves no gap in what two images share when one of them is needed", async () => {
    await using t = await bundleWorld();
    const { index } = await t.create({ program: await t.program() });
    const gapsOf = (role: "master" | "worker", runtime: "host" | "bundled") => {
      const gaps = gapsFor(index, { role, runtime, networkPlugin: "bridge" });
      return [gaps.program, ...entriesWithGaps(index.entries, gaps).map(({ name }) => name)];
    };
    // It serves nodes that are not as it is.
    for (const runtime of ["bundled", "host"] as const) expect(gapsOf("master", runtime)).toEqual([true]);
    expect(gapsOf("worker", "host")).toContain("bin/dockerd");
    expect(gapsOf("worker", "bundled")).toEqual([
      true,
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
    ]);
  });
});

describe("readGaps()", () => {
  test("reads what was written for this bundle, and nothing of another one", async () => {
    await using root = await tmpRoot();
    const place = root.place("/bundle");
    expect(await readGaps(place, INDEX)).toBeUndefined();
    const gaps = { program: true, blobs: new Set([TWO, ONE]) };
    await writeGaps(place, { ...gaps, index: INDEX });
    expect(await readGaps(place, INDEX)).toEqual(gaps);
    expect(await readGaps(place, ONE)).toBeUndefined();
  });

  test.each([
    ["no JSON", "{", "it is no list of gaps"],
    ["something else", "[]", "it is no list of gaps"],
    [
      "a list of no digests",
      JSON.stringify({ index: INDEX, program: true, blobs: ["x"] }),
      "it names what is no digest",
    ],
  ])("refuses %s: content and holes could not be told apart", async (_, text, what) => {
    await using root = await tmpRoot();
    await root.write("/bundle.gaps", text);
    expect(await refusal(() => readGaps(root.place("/bundle"), INDEX), root.path)).toBe(
      `Cannot read "FILE/bundle.gaps": ${what}; remove it and the bundle beside it, and join again, or name a bundle with --bundle FILE`,
    );
  });
});
