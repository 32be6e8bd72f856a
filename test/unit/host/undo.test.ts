import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { Journal, type JournalRecord } from "../../../src/host/journal.ts";
import { realHost } from "../../../src/host/real.ts";
import { undoAll } from "../../../src/host/undo.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

/** An empty journal on a root of its own. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const journal = new Journal(machine);
  return { root, machine, journal, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe("undoAll()", () => {
  test("puts back the newest first, and tells of each", async () => {
    await using t = await setUp();
    const host = realHost(t.machine, { journal: t.journal });
    await host.ensure({ kind: "dir", path: "/d", mode: 0o700 });
    await host.ensure({ kind: "file", path: "/d/f", content: "x", mode: 0o600 });
    const steps: string[] = [];
    const onStep = ({ key }: JournalRecord, at: { index: number; total: number }) =>
      steps.push(`${at.index}/${at.total} ${key}`);
    expect(await undoAll(t.machine, { records: t.journal.records(), onStep })).toEqual({
      undone: 2,
      failures: [],
    });
    expect(steps).toEqual(["1/2 /d/f", "2/2 /d"]);
    expect(Object.keys(await t.root.snapshot())).not.toContain("d");
  });

  test("keeps the programs that nodelet brought until all else is undone: a host may have no others", async () => {
    await using t = await setUp();
    const before = { type: "absent", topmost: "/opt" };
    t.journal.add({ kind: "interface", key: "cni0", before: { exists: true } });
    t.journal.add({ kind: "dir", key: "/opt/pf9/bin", before });
    t.journal.add({ kind: "copy", key: "/opt/pf9/bin/ip", before: { type: "absent" } });
    t.journal.add({ kind: "file", key: "/etc/x", before: { type: "absent" } });
    const steps: string[] = [];
    await undoAll(t.machine, { records: t.journal.records(), onStep: ({ key }) => void steps.push(key) });
    expect(steps).toEqual(["/etc/x", "cni0", "/opt/pf9/bin/ip", "/opt/pf9/bin"]);
  });

  test("leaves no directory of theirs behind, whichever was made first", async () => {
    await using t = await setUp();
    await mkdir(t.root.place("/opt"));
    const host = realHost(t.machine, { journal: t.journal });
    await host.ensure({ kind: "dir", path: "/opt/pf9/nodelet", mode: 0o755 });
    await host.ensure({ kind: "dir", path: "/opt/pf9/bin", mode: 0o755 });
    await undoAll(t.machine, { records: t.journal.records() });
    expect(existsSync(t.root.place("/opt/pf9"))).toBe(false);
  });

  test("goes on past what cannot be put back, and says why", async () => {
    await using t = await setUp();
    t.journal.add({ kind: "file", key: "/a", before: { type: "absent" } });
    t.journal.add({
      kind: "file",
      key: "/gone/b",
      before: { type: "file", mode: 0o600, uid: 0, gid: 0, base64: "" },
    });
    await t.root.write("/a", "ours");
    await t.root.write("/gone", "a file where the directory was");
    const report = await undoAll(t.machine, { records: t.journal.records() });
    expect(report.undone).toBe(1);
    expect(report.failures).toEqual([expect.stringMatching(/^file \/gone\/b: E(EXIST|NOTDIR)/)]);
    expect(await t.root.read("/a")).toBeUndefined();
    expect(t.journal.exists).toBe(true);
  });
});

describe("undoAll() after one that was cut off", () => {
  test("puts a file back though its directory is gone, and removes the directory that was not there", async () => {
    await using t = await setUp();
    const file = { type: "file", mode: 0o600, uid: 0, gid: 0, base64: btoa("theirs") };
    t.journal.add({ kind: "file", key: "/theirs/b", before: file });
    t.journal.add({ kind: "tree", key: "/tree", before: { type: "absent", topmost: "/tree" } });
    t.journal.add({ kind: "file", key: "/tree/store/b", before: file });
    const report = await undoAll(t.machine, { records: t.journal.records() });
    expect(report).toEqual({ undone: 3, failures: [] });
    expect(await t.root.read("/theirs/b")).toBe("theirs");
    expect(await t.root.read("/tree/store/b")).toBeUndefined();
  });
});

test("undoAll() removes what a program left half written beside its file, and nothing else there", async () => {
  await using t = await setUp();
  t.journal.add({ kind: "tree", key: "/var/status", before: { type: "absent", topmost: "/var/status" } });
  await t.root.write("/var/status", "{}");
  await t.root.write("/var/.status.nodelet.tmp", "{");
  await t.root.write("/var/.other.nodelet.tmp", "theirs");
  await undoAll(t.machine, { records: t.journal.records() });
  expect((await readdir(t.root.place("/var"))).filter((name) => name.includes("nodelet.tmp"))).toEqual([
    ".other.nodelet.tmp",
  ]);
});

describe("undoAll() where a directory stands for a file", () => {
  const before = { type: "file", mode: 0o600, uid: 0, gid: 0, base64: btoa("theirs") };

  test("removes an empty one, as Docker makes it, and leaves one with something in it", async () => {
    await using t = await setUp();
    await mkdir(t.root.place("/ours"));
    await mkdir(t.root.place("/theirs"));
    await t.root.write("/full/data", "1");
    const records: JournalRecord[] = [
      { kind: "file", key: "/ours", before: { type: "absent" } },
      { kind: "file", key: "/theirs", before },
      { kind: "file", key: "/full", before: { type: "absent" } },
    ];
    const { undone, failures } = await undoAll(t.machine, { records });
    expect({ undone, failures }).toEqual({ undone: 2, failures: [expect.stringMatching(/^file \/full: /)] });
    expect([await t.root.read("/theirs"), await t.root.read("/full/data")]).toEqual(["theirs", "1"]);
    expect(existsSync(t.root.place("/ours"))).toBe(false);
  });
});

describe("undoAll() with an engine that is still at work", () => {
  const records: JournalRecord[] = [
    { kind: "pods", key: "nodelet", before: { ids: [] } },
    { kind: "image", key: "ours:1", before: { imageId: null } },
    { kind: "file", key: "/a", before: { type: "absent" } },
  ];

  test("removes the container that it finished last, then the image, and nothing has failed", async () => {
    await using t = await setUp();
    const { docker } = t.machine;
    docker.references.set("ours:1", "sha256:1");
    const removeImage = docker.removeImage;
    let used = true;
    docker.removeImage = async (reference) => {
      if (used) throw new Error("image is being used by a container");
      await removeImage(reference);
    };
    const list = docker.list;
    // The first look comes before the engine has finished what the kubelet asked of it.
    docker.list = async (labels) => {
      docker.list = async () => {
        used = false;
        return await list(labels);
      };
      return [];
    };
    expect(await undoAll(t.machine, { records })).toEqual({ undone: 3, failures: [] });
    expect(docker.references.size).toBe(0);
  });
});

describe("undoAll() without an engine", () => {
  const records: JournalRecord[] = [
    { kind: "file", key: "/a", before: { type: "absent" } },
    { kind: "image", key: "ours:1", before: { imageId: null } },
    { kind: "sysctl", key: "kernel.panic", before: { value: "0" } },
  ];
  const postpone = ({ kind }: JournalRecord) => kind === "image";

  test("undoes all else, and says what remains and why", async () => {
    await using t = await setUp();
    await t.root.write("/a", "ours");
    await t.root.write("/proc/sys/kernel/panic", "10");
    const report = await undoAll(t.machine, { records, postpone, refuse: () => "Docker is gone" });
    expect(report).toEqual({ undone: 2, failures: ["image ours:1: Docker is gone"] });
    expect([await t.root.read("/a"), await t.root.read("/proc/sys/kernel/panic")]).toEqual([undefined, "0"]);
  });

  test("undoes that as well when the engine came back with what was undone before", async () => {
    await using t = await setUp();
    t.machine.docker.references.set("ours:1", "sha256:1");
    t.machine.docker.up = false;
    const settle = async () => {
      t.machine.docker.up = true;
      // What Docker does for a container that mounts a file that is gone.
      await mkdir(t.root.place("/a"));
    };
    expect(await undoAll(t.machine, { records, postpone, settle })).toEqual({ undone: 3, failures: [] });
    expect(t.machine.docker.references.size).toBe(0);
    expect(existsSync(t.root.place("/a"))).toBe(false);
  });
});
