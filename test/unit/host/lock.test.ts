import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { LockedError } from "../../../src/errors.ts";
import { lockHolder, takeLock } from "../../../src/host/lock.ts";
import { tmpRoot } from "../../fake/root.ts";

const MODULE = join(import.meta.dir, "../../../src/host/lock.ts");

/** Another process that has taken the lock. */
async function otherHolder(path: string) {
  const script = `const { takeLock } = await import(process.argv[1]);
    const lock = takeLock(process.argv[2], "the other");
    process.stdout.write("taken\\n");
    setInterval(() => lock, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script, MODULE, path], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  return child;
}

describe("the lock of a host", () => {
  test("is freed at the end of its scope", async () => {
    await using root = await tmpRoot();
    const path = root.place("run/lock");
    {
      using _lock = takeLock(path, "nodelet init");
      expect(lockHolder(path)).toStartWith(`pid ${process.pid}, "nodelet init", since `);
    }
    expect(lockHolder(path)).toBeUndefined();
    using again = takeLock(path, "nodelet reset");
    expect(again).toBeDefined();
    expect(await Bun.file(path).text()).toStartWith(`pid ${process.pid}, "nodelet reset", since `);
  });

  test("a second taker is told who holds it, and the holder keeps it", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    using _lock = takeLock(path, "nodelet init");
    for (const _ of [1, 2]) {
      expect(() => takeLock(path, "second")).toThrow(LockedError);
      expect(() => takeLock(path, "second")).toThrow(
        `Cannot start: another nodelet is at work on this host: pid ${process.pid}, "nodelet init", since `,
      );
    }
  });

  test("is freed by the death of its holder", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    const child = await otherHolder(path);
    expect(lockHolder(path)).toStartWith(`pid ${child.pid}, "the other"`);
    expect(() => takeLock(path, "second")).toThrow(`pid ${child.pid}, "the other"`);
    child.kill("SIGKILL");
    await child.exited;
    expect(lockHolder(path)).toBeUndefined();
    using lock = takeLock(path, "second");
    expect(lock).toBeDefined();
  });

  test("is not kept by a program that its holder has started", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    const lock = takeLock(path, "nodelet init");
    const child = Bun.spawn(["sh", "-c", "echo started; exec sleep 600"], { stdout: "pipe" });
    // Until it speaks it may be a copy of this process still, with all that this one has open.
    await child.stdout.getReader().read();
    lock[Symbol.dispose]();
    try {
      expect(lockHolder(path)).toBeUndefined();
    } finally {
      child.kill();
    }
  });

  test("nobody holds a lock that is not there, and looking makes none", async () => {
    await using root = await tmpRoot();
    expect(lockHolder(root.place("lock"))).toBeUndefined();
    expect(await root.snapshot()).toEqual({});
  });

  test("a place that cannot be written is named", async () => {
    await using root = await tmpRoot();
    await root.write("/run", "a file");
    expect(() => takeLock(root.place("run/lock"), "x")).toThrow(
      `Cannot open the lock "${root.place("run/lock")}": `,
    );
  });
});
