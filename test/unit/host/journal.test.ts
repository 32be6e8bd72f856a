import { describe, expect, test } from "bun:test";
import { appendFile, mkdir, rm } from "node:fs/promises";
import { Journal, type JournalRecord } from "../../../src/host/journal.ts";
import { JOURNAL_COPY, JOURNAL_DIR } from "../../../src/host/journal-store.ts";
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

describe("the copy", () => {
  const COPY = `${JOURNAL_COPY}/journal.jsonl`;
  const twice = async (t: Awaited<ReturnType<typeof setUp>>) => [
    await t.root.read(FILE),
    await t.root.read(COPY),
  ];

  test("holds the same lines, for root alone", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    t.again().add(record("b"));
    const [first, copy] = await twice(t);
    expect(copy).toBe(first as string);
    expect(t.again().records()).toEqual([record("a"), record("b")]);
    expect([await t.root.mode(JOURNAL_COPY), await t.root.mode(COPY)]).toEqual([0o700, 0o600]);
  });

  test("stands in for a journal that was removed, and brings it back with the next record", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    t.journal.attach("note.json", "{}");
    await rm(t.root.place("/var/opt"), { recursive: true });
    const again = t.again();
    expect([again.exists, again.onlyCopy, again.attached("note.json")]).toEqual([true, true, "{}"]);
    expect(again.records()).toEqual([record("a")]);
    again.add(record("b"));
    expect(again.onlyCopy).toBe(false);
    const [first, copy] = await twice(t);
    expect(copy).toBe(first as string);
    expect(await t.root.read(`${JOURNAL_DIR}/note.json`)).toBe("{}");
    again.discard();
    expect(await t.root.snapshot()).toEqual({});
  });

  test("comes back when it was removed, with the line that a killed run did not write into it", async () => {
    await using t = await setUp();
    t.journal.add(record("a"));
    await appendFile(t.root.place(FILE), `${JSON.stringify(record("b"))}\n`);
    t.again().add(record("c"));
    expect((await t.root.read(COPY))?.trim().split("\n").length).toBe(3);
    await rm(t.root.place(JOURNAL_COPY), { recursive: true });
    t.again().add(record("d"));
    const [first, copy] = await twice(t);
    expect(copy).toBe(first as string);
    expect(
      t
        .again()
        .records()
        .map(({ key }) => key),
    ).toEqual(["a", "b", "c", "d"]);
  });
});

describe("what is attached", () => {
  test("stays when it is told to, and goes with the next end", async () => {
    await using t = await setUp();
    t.journal.attach("footprint.json", "1");
    t.journal.add(record("a"));
    t.journal.discard({ keep: "footprint.json" });
    const again = t.again();
    expect([again.exists, again.attached("footprint.json")]).toEqual([false, "1"]);
    again.discard();
    expect(await t.root.snapshot()).toEqual({});
  });

  test("is replaced as a whole", async () => {
    await using t = await setUp();
    t.journal.attach("footprint.json", "1");
    t.journal.attach("footprint.json", "2");
    expect(t.again().attached("footprint.json")).toBe("2");
  });
});
