import { describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Cache, checkUnchanged } from "../../../scripts/lib/cache.ts";
import { sha256File } from "../../../scripts/lib/hash.ts";
import { tmpRoot } from "../../fake/root.ts";

/** An entry with a file in a directory of it. */
async function setUp() {
  const root = await tmpRoot();
  const cache = new Cache(root.path);
  const { dir } = await cache.cached({ name: "tree", key: {} }, async ({ out }) => {
    const file = join(out, "lib/xtables/a.so");
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, "built");
  });
  const file = join(dir, "lib/xtables/a.so");
  return { dir, file, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe("checkUnchanged()", () => {
  test("accepts a file deep in an entry as it was built", async () => {
    await using t = await setUp();
    expect(await checkUnchanged(t.file, await sha256File(t.file))).toBeUndefined();
  });

  test("refuses one that was written to since", async () => {
    await using t = await setUp();
    await writeFile(t.file, "changed");
    await expect(checkUnchanged(t.file, await sha256File(t.file))).rejects.toThrow(
      `remove ${t.dir} and run again`,
    );
  });
});
