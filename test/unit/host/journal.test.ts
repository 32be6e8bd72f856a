import { describe, expect, test } from "bun:test";
import { appendFile, mkdir } from "node:fs/promises";
import { Journal, JOURNAL_DIR, type JournalRecord, undoAll } from "../../../src/host/journal.ts";
import { realHost } from "../../../src/host/real.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const FILE = `${JOURNAL_DIR}/journal.jsonl`;
const record = (key: string, before: unknown = { value: "0" }): JournalRecord => ({
  kind: "sysctl",
  key,
  before,
});

/** An empty journal on a root of its own. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const journal = new Journal(machine);
  const again = () => new Journal(machine);
  return { root, machine, journal, again, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe("records", () => {
  test("the first state found stays, in this run and the next", async () => {
    await using t = await setUp();
    t.journal.add(record("a", { value: "first" }));
    t.journal.add(record("a", { value: "second" }));
    t.again().add(record("a", { value: "third" }));
    expect(t.again().records()).toEqual([record("a", { value: "first" })]);
    expect(t.again().before("sysctl", "a")).toEqual({ value: "first" });
  });

  test("a file, a link and nothing at one path are one thing", async () => {
    await using t = await setUp();
    t.journal.add({ kind: "absent", key: "/a", before: { type: "absent" } });
    for (const kind of ["file", "link", "absent"] as const) expect(t.journal.has(kind, "/a")).toBe(true);
    expect(t.journal.has("dir", "/a")).toBe(false);
  });

  test("a torn last line is no record, and does not swallow the next", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    await appendFile(t.root.place(FILE), '{"kind":"sysctl","key":"tö');
    expect(t.again().records()).toEqual([record("a")]);
    const next = t.again();
    next.add(record("b"));
    expect(next.records()).toEqual([record("a"), record("b")]);
    expect((await t.root.read(FILE))?.split("\n").length).toBe(3);
  });

  test("a whole last line without its end is torn as well: its change was never made", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    await appendFile(t.root.place(FILE), JSON.stringify(record("b")));
    expect(t.again().has("sysctl", "b")).toBe(false);
  });

  test("kinds of a newer program are passed over", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    await appendFile(t.root.place(FILE), '{"kind":"teapot","key":"x","before":{}}\n');
    expect(t.again().records()).toEqual([record("a")]);
  });

  test("are for root alone", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    expect([await t.root.mode(JOURNAL_DIR), await t.root.mode(FILE)]).toEqual([0o700, 0o600]);
  });

  test("a journal that cannot be written stops the change", async () => {
    await using t = await setUp();
    await t.root.write("/var/opt", "in the way");
    const host = realHost(t.machine, { journal: t.journal });
    const change = host.ensure({ kind: "file", path: "/a", content: "x", mode: 0o600 });
    await expect(change).rejects.toThrow(`Cannot write the journal "${t.root.place(FILE)}": `);
    expect(await t.root.read("/a")).toBeUndefined();
  });
});

describe("the order of record and change", () => {
  test("the record is on the disk when the change begins", async () => {
    await using t = await setUp();
    let seen: readonly JournalRecord[] = [];
    t.machine.programs.set("modprobe", () => {
      seen = t.again().records();
      return { exitCode: 1, stderr: "killed here" };
    });
    const running = { ...t.machine, root: "/" };
    const host = realHost(running, { journal: t.journal });
    const change = host.ensure({ kind: "module", name: "nodelet_none", proof: "/nowhere/at/all" });
    await expect(change).rejects.toThrow("killed here");
    expect(seen).toEqual([{ kind: "module", key: "nodelet_none", before: { present: false } }]);
  });

  test("what is as wanted already is not recorded", async () => {
    await using t = await setUp();
    await t.root.write("/a", "x", 0o600);
    const host = realHost(t.machine, { journal: t.journal });
    expect(await host.ensure({ kind: "file", path: "/a", content: "x", mode: 0o600 })).toBe("unchanged");
    expect(t.journal.exists).toBe(false);
  });
});

describe("undoAll()", () => {
  test("puts back the newest first, and tells of each", async () => {
    await using t = await setUp();
    const host = realHost(t.machine, { journal: t.journal });
    await host.ensure({ kind: "dir", path: "/d", mode: 0o700 });
    await host.ensure({ kind: "file", path: "/d/f", content: "x", mode: 0o600 });
    const steps: string[] = [];
    const onStep = ({ key }: JournalRecord, at: { index: number; total: number }) =>
      steps.push(`${at.index}/${at.total} ${key}`);
    expect(await undoAll(t.machine, { journal: t.journal, onStep })).toEqual({ undone: 2, failures: [] });
    expect(steps).toEqual(["1/2 /d/f", "2/2 /d"]);
    expect(Object.keys(await t.root.snapshot())).not.toContain("d");
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
    const report = await undoAll(t.machine, { journal: t.journal });
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
    const report = await undoAll(t.machine, { journal: t.journal });
    expect(report).toEqual({ undone: 3, failures: [] });
    expect(await t.root.read("/theirs/b")).toBe("theirs");
    expect(await t.root.read("/tree/store/b")).toBeUndefined();
  });
});

describe("discard()", () => {
  test("leaves no directory that was made for the journal", async () => {
    await using t = await setUp();
    await mkdir(t.root.place("/var"));
    t.journal.add(record("a"));
    t.journal.discard();
    expect(Object.keys(await t.root.snapshot())).toEqual(["var"]);
    expect(t.again().exists).toBe(false);
  });

  test("leaves what others put beside it", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    await t.root.write("/var/opt/pf9/theirs", "1");
    t.journal.discard();
    expect(Object.keys(await t.root.snapshot()).at(-1)).toBe("var/opt/pf9/theirs");
  });
});
