import { describe, expect, test } from "bun:test";
import { mkdir, rename, rm } from "node:fs/promises";
import { Wake } from "../../../src/daemon/wake.ts";
import { FileWatch } from "../../../src/daemon/watch.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const never = new AbortController().signal;

async function setUp() {
  const root = await tmpRoot();
  const wake = new Wake();
  const watch = new FileWatch(fakeMachine(root.path), wake);
  await mkdir(root.place("/etc/a"), { recursive: true });
  return {
    root,
    wake,
    watch,
    /** What rang first; the test fails by its own deadline when nothing does. */
    rung: () => wake.sleep(600_000, never),
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

describe("FileWatch", () => {
  test("rings for the names that matter, and for no other", async () => {
    await using t = await setUp();
    t.watch.follow(new Map([["/etc/a", new Set(["ours"])]]));
    await t.root.write("/etc/a/theirs", "x");
    await t.root.write("/etc/a/.ours.nodelet.tmp", "x");
    await t.root.write("/etc/a/ours", "x");
    expect(await t.rung()).toEqual(["file /etc/a/ours"]);
  });

  test("rings for any name where none is given, also for one that is removed", async () => {
    await using t = await setUp();
    await t.root.write("/etc/a/b", "x");
    t.watch.follow(new Map([["/etc/a", new Set<string>()]]));
    await rm(t.root.place("/etc/a/b"));
    expect(await t.rung()).toEqual(["file /etc/a/b"]);
  });

  test("a directory that is not there yet is watched from the look on that finds it", async () => {
    await using t = await setUp();
    const places = new Map([["/etc/later", new Set<string>()]]);
    t.watch.follow(places);
    await mkdir(t.root.place("/etc/later"));
    t.watch.follow(places);
    await t.root.write("/etc/later/b", "x");
    expect(await t.rung()).toEqual(["file /etc/later/b"]);
  });

  test("a directory that was made again is watched again", async () => {
    await using t = await setUp();
    const places = new Map([["/etc/a", new Set(["b"])]]);
    t.watch.follow(places);
    await mkdir(t.root.place("/etc/new"));
    await rename(t.root.place("/etc/a"), t.root.place("/etc/old"));
    await rename(t.root.place("/etc/new"), t.root.place("/etc/a"));
    t.watch.follow(places);
    await t.root.write("/etc/a/b", "x");
    expect(await t.rung()).toEqual(["file /etc/a/b"]);
  });
});

describe("Wake", () => {
  test("what rings while nobody sleeps ends the next sleep at once, and all that rang is told", async () => {
    const wake = new Wake();
    wake.poke("one");
    wake.poke("two");
    wake.poke("one");
    expect(await wake.sleep(600_000, never)).toEqual(["one", "two"]);
  });

  test("a sleep ends when it rings, when the time is over, and with the signal", async () => {
    const wake = new Wake();
    const end = new AbortController();
    const sleeping = wake.sleep(600_000, never);
    wake.poke("one");
    expect(await sleeping).toEqual(["one"]);
    expect(await wake.sleep(1, never)).toEqual([]);
    const last = wake.sleep(600_000, end.signal);
    end.abort();
    expect(await last).toEqual([]);
    expect(await wake.sleep(600_000, end.signal)).toEqual([]);
  });
});
