import { describe, expect, test } from "bun:test";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../../src/errors.ts";
import { writeAtomically } from "../../../src/host/atomic.ts";
import { run } from "../../../src/host/run.ts";
import { tmpRoot } from "../../fake/root.ts";

const isRoot = process.getuid?.() === 0;

/** What a promise is rejected with. */
async function rejection(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof AppError) return error;
  throw new Error(`expected an AppError, got ${String(error)}`);
}

/** A small file system of its own; undefined where mounting is not allowed. */
async function smallDisk(place: string): Promise<AsyncDisposable | undefined> {
  await mkdir(place);
  const mounted = await run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], { check: false });
  if (mounted.exitCode !== 0) return undefined;
  return { [Symbol.asyncDispose]: async () => void (await run(["umount", place])) };
}

describe("writeAtomically()", () => {
  test("gives the file exactly its mode under any umask", async () => {
    await using root = await tmpRoot();
    const before = process.umask(0o077);
    try {
      await writeAtomically(root.place("a"), "x", { mode: 0o644 });
    } finally {
      process.umask(before);
    }
    expect(await root.mode("a")).toBe(0o644);
  });

  test("replaces content and mode, and leaves no other file", async () => {
    await using root = await tmpRoot();
    await root.write("a", "old", 0o644);
    await writeAtomically(root.place("a"), "new", { mode: 0o600 });
    expect(await root.read("a")).toBe("new");
    expect(await root.mode("a")).toBe(0o600);
    expect(await readdir(root.path)).toEqual(["a"]);
  });

  test("replaces a link, not what it points at", async () => {
    await using root = await tmpRoot();
    await root.write("target", "kept");
    await run(["ln", "-s", "target", root.place("a")]);
    await writeAtomically(root.place("a"), "new", { mode: 0o600 });
    expect([await root.read("target"), await root.read("a")]).toEqual(["kept", "new"]);
  });

  test("a failure names the file and leaves nothing behind", async () => {
    await using root = await tmpRoot();
    await mkdir(root.place("a"));
    const error = await rejection(writeAtomically(root.place("a"), "new", { mode: 0o600 }));
    expect(error.message).toStartWith(`Cannot write "${root.place("a")}": `);
    expect(await readdir(root.path)).toEqual(["a"]);
  });

  test("what a killed run left does not stand in the way", async () => {
    await using root = await tmpRoot();
    await mkdir(root.place("a"));
    await rejection(writeAtomically(root.place("a/b/c"), "x", { mode: 0o600 }));
    const { temporaryOf } = await import("../../../src/host/atomic.ts");
    await root.write(temporaryOf("/a/b"), "half of it");
    await writeAtomically(root.place("a/b"), "whole", { mode: 0o600 });
    expect(await readdir(root.place("a"))).toEqual(["b"]);
    expect(await root.read("a/b")).toBe("whole");
  });

  test.skipIf(!isRoot)("sets the owner that it is given", async () => {
    await using root = await tmpRoot();
    await writeAtomically(root.place("a"), "x", { mode: 0o600, uid: 65534, gid: 65534 });
    expect((await Bun.file(root.place("a")).stat()).uid).toBe(65534);
  });

  test.skipIf(!isRoot)(
    "a full disk is named, the old content stays, no part of the new is left",
    async () => {
      await using root = await tmpRoot();
      const disk = root.place("disk");
      await using mounted = await smallDisk(disk);
      if (!mounted) return;
      const file = join(disk, "a");
      await writeAtomically(file, "old", { mode: 0o600 });
      const error = await rejection(writeAtomically(file, "x".repeat(200_000), { mode: 0o600 }));
      expect(error.message).toBe(`Cannot write "${file}": no space left on the device`);
      expect(error.hint).toBe("free space on that file system and run the command again");
      expect(await readFile(file, "utf8")).toBe("old");
      expect(await readdir(disk)).toEqual(["a"]);
    },
  );
});
