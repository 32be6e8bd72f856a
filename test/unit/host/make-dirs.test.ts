import { describe, expect, test } from "bun:test";
import { chmod, mkdir } from "node:fs/promises";
import { makeDirs } from "../../../src/host/make-dirs.ts";
import { tmpRoot } from "../../fake/root.ts";

/** Does something as a shell with that umask would start it. @returns the umask afterwards */
function withUmask(mask: number, work: () => void): number {
  const before = process.umask(mask);
  try {
    work();
    return process.umask();
  } finally {
    process.umask(before);
  }
}

describe("makeDirs()", () => {
  test.each([0o077, 0o022, 0o000])(
    "makes all that is missing 0755 under umask %o, which stays",
    async (mask) => {
      await using root = await tmpRoot();
      expect(withUmask(mask, () => makeDirs(root.place("/a/b/c")))).toBe(mask);
      for (const path of ["/a", "/a/b", "/a/b/c"]) expect(await root.mode(path)).toBe(0o755);
    },
  );

  test("leaves alone what is there", async () => {
    await using root = await tmpRoot();
    await mkdir(root.place("/a"));
    await chmod(root.place("/a"), 0o711);
    makeDirs(root.place("/a/b"));
    makeDirs(root.place("/a"));
    expect([await root.mode("/a"), await root.mode("/a/b")]).toEqual([0o711, 0o755]);
  });

  test("fails where something else is in the way, and the umask stays", async () => {
    await using root = await tmpRoot();
    await root.write("/a", "a file");
    const made = () => expect(() => makeDirs(root.place("/a/b"))).toThrow("ENOTDIR");
    expect(withUmask(0o027, made)).toBe(0o027);
  });
});
