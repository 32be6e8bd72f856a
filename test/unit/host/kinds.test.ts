import { fileContent } from "../../../src/bundle/content.ts";
import { describe, expect, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { sha256 } from "../../../src/host/hash.ts";
import { type AnyWanted, kinds } from "../../../src/host/kinds/index.ts";
import { type FakeMachine, fakeMachine } from "../../fake/machine.ts";
import { type TmpRoot, tmpRoot } from "../../fake/root.ts";

/** A thing that is not as it is wanted, in one of the states that it may be found in. */
interface Case {
  name: string;
  wanted: (root: TmpRoot) => AnyWanted;
  prepare?: (root: TmpRoot, machine: FakeMachine) => Promise<unknown>;
}

const file = { kind: "file", path: "/etc/a", content: "new", mode: 0o600 } as const;
const link = { kind: "link", path: "/etc/a", target: "/new" } as const;
const absent = { kind: "absent", path: "/etc/a" } as const;
const dir = { kind: "dir", path: "/x/y", mode: 0o700 } as const;
const copy = (root: TmpRoot) =>
  ({
    kind: "copy",
    path: "/etc/a",
    source: () => fileContent(root.place("/bundle/a"), 7),
    sha256: sha256("program"),
    size: 7,
    mode: 0o755,
  }) as const;

const inEtc = (root: TmpRoot) => mkdir(root.place("/etc"));
const foreign = (root: TmpRoot) => root.write("/etc/a", "old", 0o640);
const foreignLink = async (root: TmpRoot) => {
  await inEtc(root);
  await symlink("/old", root.place("/etc/a"));
};
const source = async (root: TmpRoot) => root.write("/bundle/a", "program");

const cases: Case[] = [
  { name: "file where nothing was", wanted: () => file, prepare: inEtc },
  { name: "file where other content was", wanted: () => file, prepare: foreign },
  {
    name: "file where only the mode differs",
    wanted: () => file,
    prepare: (r) => r.write("/etc/a", "new", 0o644),
  },
  {
    name: "file where only the owner differs",
    wanted: () => ({ ...file, owner: 64440 }),
    prepare: (r) => r.write("/etc/a", "new", 0o600),
  },
  { name: "file where a link was", wanted: () => file, prepare: foreignLink },
  { name: "absent where a file was", wanted: () => absent, prepare: foreign },
  { name: "absent where a link was", wanted: () => absent, prepare: foreignLink },
  { name: "link where nothing was", wanted: () => link, prepare: inEtc },
  { name: "link where another one was", wanted: () => link, prepare: foreignLink },
  { name: "link where a file was", wanted: () => link, prepare: foreign },
  { name: "dir where nothing was", wanted: () => dir },
  {
    name: "dir with another mode",
    wanted: () => dir,
    prepare: (r) => mkdir(r.place("/x/y"), { recursive: true }),
  },
  {
    name: "copy where nothing was",
    wanted: copy,
    prepare: (r) => Promise.all([inEtc(r), source(r)]),
  },
  {
    name: "copy where a foreign file was",
    wanted: copy,
    prepare: (r) => Promise.all([foreign(r), source(r)]),
  },
  {
    name: "copy where only the mode differs",
    wanted: copy,
    prepare: (r) => Promise.all([r.write("/etc/a", "program", 0o644), source(r)]),
  },
  {
    name: "sysctl with another value",
    wanted: () => ({ kind: "sysctl", name: "net.ipv4.ip_forward", value: "1" }),
    prepare: (r) => r.write("/proc/sys/net/ipv4/ip_forward", "0"),
  },
];

async function prepared({ prepare, wanted }: Case) {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  await prepare?.(root, machine);
  const one = wanted(root);
  const kind = kinds[one.kind];
  const read = () => kind.read(machine, one);
  // What is found goes through the journal, which is JSON.
  const before: unknown = JSON.parse(JSON.stringify(await read()));
  const undo = { key: kind.key(one), before };
  return { root, machine, one, kind, read, undo, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe.each(cases)("$name", (one) => {
  test("is not the same before, and is after, once and twice", async () => {
    await using t = await prepared(one);
    expect(t.kind.same(t.undo.before, t.one)).toBe(false);
    await t.kind.apply(t.machine, t.one);
    expect(t.kind.same(await t.read(), t.one)).toBe(true);
    const once = await t.root.snapshot();
    await t.kind.apply(t.machine, t.one);
    expect(t.kind.same(await t.read(), t.one)).toBe(true);
    expect(
      Object.keys(await t.root.snapshot()).filter(
        (name) => !(name in once) && !name.includes("before-nodelet"),
      ),
    ).toEqual([]);
  });

  test("looking changes nothing", async () => {
    await using t = await prepared(one);
    const before = await t.root.snapshot();
    await t.read();
    expect(await t.root.snapshot()).toEqual(before);
  });

  test("undo puts back exactly what was there, once and twice", async () => {
    await using t = await prepared(one);
    const before = await t.root.snapshot();
    await t.kind.apply(t.machine, t.one);
    expect(await t.root.snapshot()).not.toEqual(before);
    await t.kind.restore(t.machine, t.undo);
    expect(await t.root.snapshot()).toEqual(before);
    await t.kind.restore(t.machine, t.undo);
    expect(await t.root.snapshot()).toEqual(before);
  });

  test("undo of a change that was never made changes nothing", async () => {
    await using t = await prepared(one);
    const before = await t.root.snapshot();
    await t.kind.restore(t.machine, t.undo);
    expect(await t.root.snapshot()).toEqual(before);
  });
});

describe("undo of files", () => {
  test("a file and its mode are put back when the parent still is there and the file is gone", async () => {
    await using t = await prepared({ name: "", wanted: () => absent, prepare: foreign });
    await t.kind.apply(t.machine, t.one);
    await t.kind.restore(t.machine, t.undo);
    expect([await t.root.read("/etc/a"), await t.root.mode("/etc/a")]).toEqual(["old", 0o640]);
  });

  test("a directory stays when somebody else put something into it", async () => {
    await using t = await prepared({ name: "", wanted: () => dir });
    await t.kind.apply(t.machine, t.one);
    await t.root.write("/x/theirs", "1");
    await t.kind.restore(t.machine, t.undo);
    expect(Object.keys(await t.root.snapshot())).toEqual(["x", "x/theirs"]);
  });
});

describe("what is refused", () => {
  test("a file where a directory is", async () => {
    await using t = await prepared({
      name: "",
      wanted: () => file,
      prepare: (r) => mkdir(r.place("/etc/a"), { recursive: true }),
    });
    await expect(t.kind.apply(t.machine, t.one)).rejects.toThrow(
      'Cannot write "/etc/a": it is not a regular file; expected a file or nothing',
    );
  });

  test("a directory where a file is", async () => {
    await using t = await prepared({ name: "", wanted: () => dir, prepare: (r) => r.write("/x/y", "") });
    await expect(t.kind.apply(t.machine, t.one)).rejects.toThrow(
      'Cannot make the directory "/x/y": something else is there',
    );
  });

  test("a program whose source is gone, and the old one is not lost", async () => {
    await using t = await prepared({ name: "", wanted: copy, prepare: foreign });
    await expect(t.kind.apply(t.machine, t.one)).rejects.toThrow('Cannot install "/etc/a": ENOENT');
    await t.kind.restore(t.machine, t.undo);
    expect(await t.root.read("/etc/a")).toBe("old");
  });

  test("a kernel setting that the kernel does not have", async () => {
    await using t = await prepared({
      name: "",
      wanted: () => ({ kind: "sysctl", name: "net.x", value: "1" }),
    });
    expect(t.undo.before).toEqual({ value: null });
    await expect(t.kind.apply(t.machine, t.one)).rejects.toThrow('Cannot set sysctl "net.x" to "1": ENOENT');
    await t.kind.restore(t.machine, t.undo);
  });
});

test("a secret is not in the plan, other content is by size, mode and digest", async () => {
  const found = { type: "absent" };
  expect(kinds.file.describe(found, { ...file, secret: true })).toEqual({
    from: "absent",
    to: "secret, 0600",
  });
  expect(kinds.file.describe(found, file).to).toBe(`3 B, 0600, sha256 ${sha256("new").slice(0, 12)}`);
});

test("a plan says how much of a file is different, and nothing of a secret", () => {
  const found = { type: "file", mode: 0o600, uid: 0, gid: 0, base64: btoa("a\nb\nb\n") };
  const wanted = { ...file, content: "a\nb\nc\nd\n" };
  expect(kinds.file.describe(found, wanted).to).toEndWith(", +2 -1 lines");
  expect(kinds.file.describe(found, { ...wanted, secret: true }).to).toBe("secret, 0600");
  expect(kinds.file.describe(found, { ...wanted, content: "a\nb\nb\n" }).to).not.toContain("lines");
});

test("a file that was given to somebody else is not the one that is wanted", () => {
  const found = { type: "file", mode: 0o600, uid: 0, gid: 0, base64: btoa("new") };
  expect(kinds.file.same(found, file)).toBe(true);
  expect(kinds.file.same({ ...found, uid: 1000 }, file)).toBe(false);
});

test("a kernel setting that is good enough stays as it is", () => {
  const wanted = { kind: "sysctl", name: "a", value: "10", atLeast: true };
  expect(["9", "10", "11"].map((value) => kinds.sysctl.same({ value }, wanted))).toEqual([false, true, true]);
});
