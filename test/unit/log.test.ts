import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { flock } from "../../src/host/flock.ts";
import { fileLog } from "../../src/log.ts";
import { type TmpRoot, tmpRoot } from "../fake/root.ts";

const MODULE = join(import.meta.dir, "../../src/log.ts");
const stamp = () => "now";

/** The files of a log with what is in them, by name. */
async function filesOf(root: TmpRoot): Promise<Record<string, string>> {
  const names = readdirSync(root.path).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(root.place(name), "utf8")]));
}

describe("fileLog()", () => {
  test("stamps each line, and is read by its owner alone", async () => {
    await using root = await tmpRoot();
    const log = fileLog(root.place("kube.log"), { stamp });
    log.info("one\ntwo");
    log.warn("three");
    expect(await filesOf(root)).toEqual({ "kube.log": "[now] one\n[now] two\n[now] warning: three\n" });
    expect(await root.mode("kube.log")).toBe(0o600);
  });

  test("goes on in a new file before the limit, and keeps so many files", async () => {
    await using root = await tmpRoot();
    // Two entries of 8 bytes fit exactly.
    const log = fileLog(root.place("kube.log"), { stamp, limits: () => ({ maxBytes: 16, maxFiles: 3 }) });
    for (const letter of "abcdefg") log.info(letter);
    expect(await filesOf(root)).toEqual({
      "kube.log": "[now] g\n",
      "kube.log.1": "[now] e\n[now] f\n",
      "kube.log.2": "[now] c\n[now] d\n",
    });
  });

  test("an entry of several lines stays together, also one that is longer than a file", async () => {
    await using root = await tmpRoot();
    const log = fileLog(root.place("kube.log"), { stamp, limits: () => ({ maxBytes: 16, maxFiles: 9 }) });
    log.info("a");
    log.info("b\nc");
    log.info("longer than the limit is");
    log.info("d");
    expect(await filesOf(root)).toEqual({
      "kube.log": "[now] d\n",
      "kube.log.1": "[now] longer than the limit is\n",
      "kube.log.2": "[now] b\n[now] c\n",
      "kube.log.3": "[now] a\n",
    });
  });

  test("files beyond a limit that was lowered go; other files stay", async () => {
    await using root = await tmpRoot();
    for (const end of ["", ".1", ".2", ".8", ".1.gz", ".old", ".01"])
      await root.write(`/kube.log${end}`, `was ${end}`);
    fileLog(root.place("kube.log"), { stamp, limits: () => ({ maxBytes: 8, maxFiles: 2 }) }).info("a");
    expect(await filesOf(root)).toEqual({
      "kube.log": "[now] a\n",
      "kube.log.1": "was ",
      "kube.log.1.gz": "was .1.gz",
      "kube.log.old": "was .old",
      "kube.log.01": "was .01",
    });
  });

  test("one file alone begins anew", async () => {
    await using root = await tmpRoot();
    const log = fileLog(root.place("kube.log"), { stamp, limits: () => ({ maxBytes: 8, maxFiles: 1 }) });
    for (const letter of "ab") log.info(letter);
    expect(await filesOf(root)).toEqual({ "kube.log": "[now] b\n" });
  });

  test("processes that write and rotate at the same time lose nothing", async () => {
    await using root = await tmpRoot();
    const [writers, lines, maxBytes] = [3, 2000, 500];
    const script = `const { fileLog } = await import(process.argv[1]);
      const log = fileLog(process.argv[2], { stamp: () => "now", limits: () => ({ maxBytes: ${maxBytes}, maxFiles: 1000 }) });
      process.stdout.write("ready\\n");
      await Bun.stdin.text();
      for (let i = 0; i < ${lines}; i++) log.info(process.argv[3] + " " + i);`;
    const children = Array.from({ length: writers }, (_, i) =>
      Bun.spawn([process.execPath, "-e", script, MODULE, root.place("kube.log"), `w${i}`], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    // They begin together, whatever each took to start.
    for (const child of children) await child.stdout.getReader().read();
    for (const child of children) void child.stdin.end();
    expect(await Promise.all(children.map((child) => child.exited))).toEqual(children.map(() => 0));
    const names = readdirSync(root.path);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect(statSync(root.place(name)).size).toBeLessThanOrEqual(maxBytes);
    const byAge = names.sort((a, b) => numberOf(b) - numberOf(a));
    const written = byAge.flatMap((name) => readFileSync(root.place(name), "utf8").trimEnd().split("\n"));
    expect(written.length).toBe(writers * lines);
    for (let i = 0; i < writers; i++) {
      // All of them, whole, and in their order.
      const own = written.filter((line) => line.startsWith(`[now] w${i} `));
      expect(own).toEqual(Array.from({ length: lines }, (_, n) => `[now] w${i} ${n}`));
    }
  });

  test("a holder of the lock that stands still holds nobody up for long, and no line is lost", async () => {
    await using root = await tmpRoot();
    await root.write("/kube.log", "before\n");
    const held = openSync(root.place("kube.log"), "a");
    expect(flock(held)).toBe(true);
    fileLog(root.place("kube.log"), { stamp, limits: () => ({ maxBytes: 8, maxFiles: 3 }) }).info("a");
    closeSync(held);
    expect(await filesOf(root)).toEqual({ "kube.log": "before\n[now] a\n" });
  });

  test("a full disk, and a place that is not there, are nobody's problem", async () => {
    await using root = await tmpRoot();
    fileLog("/dev/full", { stamp, limits: () => ({ maxBytes: 8 }) }).info("a long line");
    fileLog(root.place("not/there/kube.log"), { stamp }).info("a");
    expect(await root.snapshot()).toEqual({});
  });

  test("where nothing can be renamed it grows", async () => {
    await using root = await tmpRoot();
    // A directory where the rotated file would be.
    await root.write("/kube.log.1/x", "");
    const log = fileLog(root.place("kube.log"), { stamp, limits: () => ({ maxBytes: 8, maxFiles: 2 }) });
    for (const letter of "ab") log.info(letter);
    expect(await root.read("kube.log")).toBe("[now] a\n[now] b\n");
  });
});

function numberOf(name: string): number {
  return Number(/\.log\.(\d+)$/.exec(name)?.[1] ?? 0);
}
