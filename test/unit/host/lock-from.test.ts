import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { LockedError } from "../../../src/errors.ts";
import { lockHolder, takeLock, takeLockFrom } from "../../../src/host/lock.ts";
import { tmpRoot } from "../../fake/root.ts";

const MODULE = join(import.meta.dir, "../../../src/host/lock.ts");
const WORKER = "nodeletd reconcile";

/** Another process that has the lock. It says so whenever it is asked to end, and does after a while. */
async function otherHolder({ path, command }: { path: string; command: string }) {
  const script = `const [module, path, command] = process.argv.slice(1);
    const { takeLock } = await import(module);
    const lock = takeLock(path, command);
    process.on("SIGTERM", () => {
      process.stdout.write("asked\\n");
      setTimeout(() => process.exit(), 150);
    });
    process.stdout.write("taken\\n");
    setInterval(() => lock, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script, MODULE, path, command], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    child,
    /** How often it was asked to end; known when it has. */
    async asked() {
      let text = "";
      for (let next = await reader.read(); !next.done; next = await reader.read())
        text += new TextDecoder().decode(next.value);
      return text.split("\n").length - 1;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

describe("a lock that its holder gives way with", () => {
  test("is taken at once when nobody has it", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    using _lock = await takeLockFrom(WORKER, { path, command: "nodelet phases stop" });
    expect(lockHolder(path)).toStartWith(`pid ${process.pid}, "nodelet phases stop", since `);
  });

  test("is taken when the holder, asked once, has reached its safe point", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    await using holder = await otherHolder({ path, command: WORKER });
    using _lock = await takeLockFrom(WORKER, { path, command: "nodelet phases stop" });
    expect(lockHolder(path)).toStartWith(`pid ${process.pid}, "nodelet phases stop", since `);
    expect(await holder.child.exited).toBe(0);
    expect(await holder.asked()).toBe(1);
  });

  test("is not taken from an operator, who is told of and not disturbed", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    await using holder = await otherHolder({ path, command: "nodelet phases start" });
    const taking = takeLockFrom(WORKER, { path, command: "nodelet phases stop" });
    await expect(taking).rejects.toThrow(LockedError);
    expect(lockHolder(path)).toStartWith(`pid ${holder.child.pid}, "nodelet phases start"`);
    holder.child.kill("SIGKILL");
    await holder.child.exited;
    expect(await holder.asked()).toBe(0);
  });

  test("what an ended holder has left in the file disturbs nobody", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    await root.write("lock", `pid ${process.pid}, "${WORKER}", since 2024\n`);
    let asked = 0;
    const count = () => void asked++;
    process.on("SIGTERM", count);
    try {
      using _lock = await takeLockFrom(WORKER, { path, command: "nodelet phases stop" });
      expect(asked).toBe(0);
    } finally {
      process.off("SIGTERM", count);
    }
  });

  test("the words of an ended holder are not those of one that has not written yet", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    using _lock = takeLock(path, "nodelet init");
    await root.write("lock", `pid ${process.ppid}, "${WORKER}", since 2024\n`);
    expect(lockHolder(path)).toBeUndefined();
  });

  test("a place that cannot be written is named", async () => {
    await using root = await tmpRoot();
    await root.write("/run", "a file");
    const taking = takeLockFrom(WORKER, { path: root.place("run/lock"), command: "x" });
    await expect(taking).rejects.toThrow(`Cannot open the lock "${root.place("run/lock")}": `);
  });

  test("another process that tries in vain leaves the holder's words alone", async () => {
    await using root = await tmpRoot();
    const path = root.place("lock");
    using _lock = takeLock(path, "nodelet init");
    const before = lockHolder(path);
    await expect(takeLockFrom(WORKER, { path, command: "other" })).rejects.toThrow('"nodelet init"');
    expect(lockHolder(path)).toBe(before!);
  });
});
