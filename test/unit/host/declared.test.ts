import { fileContent } from "../../../src/bundle/content.ts";
import { describe, expect, spyOn, test } from "bun:test";
import { chmod, mkdir, rename, rm, rmdir, symlink } from "node:fs/promises";
import {
  Declaration,
  declaringHost,
  findDrift,
  readDeclared,
  watchedPlaces,
} from "../../../src/host/declared.ts";
import { ensureAll } from "../../../src/host/host.ts";
import { Journal } from "../../../src/host/journal.ts";
import { type AnyWanted, kinds } from "../../../src/host/kinds/index.ts";
import { sha256 } from "../../../src/host/hash.ts";
import { attachedHost } from "../../fake/host.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const STATE = "/var/declared.json";
const etcd = {
  name: "etcd",
  imageId: `sha256:${"a".repeat(64)}`,
  command: ["etcd"],
  logs: { maxSize: "1m", maxFiles: 2 },
};

/** A machine on which things are brought about, and kept, as by a run of the phases. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  for (const dir of ["/var", "/etc", "/opt"]) await mkdir(root.place(dir));
  await root.write("/proc/sys/vm/swappiness", "60\n");
  await root.write("/etc/systemd/system/a.service", "[Service]\n");
  await root.write("/bundle/kubelet", "a program");
  machine.docker.imageIds.add(etcd.imageId);
  const file = root.place(STATE);
  const host = attachedHost(machine, { journal: new Journal(machine) });
  return {
    root,
    machine,
    file,
    async declare(...wanted: AnyWanted[]) {
      const declaration = new Declaration();
      await ensureAll(declaringHost(host, declaration), wanted);
      await declaration.save(machine, file);
    },
    drift: async () =>
      (await findDrift(machine, readDeclared(file))).map(({ kind, key }) => `${kind} ${key}`),
    async [Symbol.asyncDispose]() {
      machine[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

type World = Awaited<ReturnType<typeof setUp>>;

const things: Record<string, AnyWanted> = {
  file: { kind: "file", path: "/etc/a.conf", content: "a = 1\n", mode: 0o600, secret: true },
  absent: { kind: "absent", path: "/etc/old.conf" },
  link: { kind: "link", path: "/etc/link", target: "/etc/a.conf" },
  dir: { kind: "dir", path: "/etc/a.d", mode: 0o700 },
  sysctl: { kind: "sysctl", name: "vm.swappiness", value: "0" },
  unit: { kind: "unit", name: "a.service", active: true, enabled: true },
  container: { kind: "container", name: "etcd", spec: etcd },
};

function copy(t: World): AnyWanted {
  const source = () => fileContent(t.root.place("/bundle/kubelet"), 9);
  return { kind: "copy", path: "/opt/kubelet", source, sha256: sha256("a program"), size: 9, mode: 0o755 };
}

const all = (t: World) => [...Object.values(things), copy(t)];

/** Puts another file in the place of one. Writing into it within the same tick of the kernel's clock could not be noticed. */
async function replace(t: World, path: string, next: { content: string; mode: number }) {
  await t.root.write(`${path}.new`, next.content, next.mode);
  await rename(t.root.place(`${path}.new`), t.root.place(path));
}

const byHand: [what: string, drift: string, change: (t: World) => unknown][] = [
  [
    "the content of a file",
    "file /etc/a.conf",
    (t) => replace(t, "/etc/a.conf", { content: "a = 2\n", mode: 0o600 }),
  ],
  ["the mode of a file", "file /etc/a.conf", (t) => chmod(t.root.place("/etc/a.conf"), 0o644)],
  ["a file that is removed", "file /etc/a.conf", (t) => rm(t.root.place("/etc/a.conf"))],
  [
    "a file that is a link now",
    "file /etc/a.conf",
    async (t) => {
      await rename(t.root.place("/etc/a.conf"), t.root.place("/etc/b.conf"));
      await symlink("b.conf", t.root.place("/etc/a.conf"));
    },
  ],
  ["a file that is there again", "absent /etc/old.conf", (t) => t.root.write("/etc/old.conf", "")],
  [
    "the target of a link",
    "link /etc/link",
    async (t) => {
      await rm(t.root.place("/etc/link"));
      await symlink("/etc/other", t.root.place("/etc/link"));
    },
  ],
  ["a link that is removed", "link /etc/link", (t) => rm(t.root.place("/etc/link"))],
  ["the mode of a directory", "dir /etc/a.d", (t) => chmod(t.root.place("/etc/a.d"), 0o777)],
  ["a directory that is removed", "dir /etc/a.d", (t) => rmdir(t.root.place("/etc/a.d"))],
  [
    "a program of the same size",
    "copy /opt/kubelet",
    (t) => replace(t, "/opt/kubelet", { content: "A program", mode: 0o755 }),
  ],
  ["a program that is removed", "copy /opt/kubelet", (t) => rm(t.root.place("/opt/kubelet"))],
  ["a kernel setting", "sysctl vm.swappiness", (t) => t.root.write("/proc/sys/vm/swappiness", "10\n")],
  [
    "a unit that is stopped",
    "unit a.service",
    (t) => t.machine.units.set("a.service", { active: false, enabled: true }),
  ],
  [
    "a unit that is disabled",
    "unit a.service",
    (t) => t.machine.units.set("a.service", { active: true, enabled: false }),
  ],
  ["a container that is removed", "container etcd", (t) => t.machine.docker.remove("etcd")],
  ["a container that is stopped", "container etcd", (t) => t.machine.docker.stop("etcd", 1)],
  [
    "a container that was made by others",
    "container etcd",
    (t) =>
      Object.assign(t.machine.docker.containers.get("etcd")?.labels ?? {}, { "io.pf9.nodelet.spec": "x" }),
  ],
];

describe("findDrift()", () => {
  test("finds nothing after a run, nor after another", async () => {
    await using t = await setUp();
    await t.declare(...all(t));
    expect(await t.drift()).toEqual([]);
    await t.declare(...all(t));
    expect(await t.drift()).toEqual([]);
  });

  test.each(byHand)("finds %s, and no more when it is put back", async (_, drift, change) => {
    await using t = await setUp();
    await t.declare(...all(t));
    await change(t);
    expect(await t.drift()).toEqual([drift]);
    await t.declare(...all(t));
    expect(await t.drift()).toEqual([]);
  });

  test("a file that was only touched is no drift, and is read once", async () => {
    await using t = await setUp();
    await t.declare(...all(t));
    await replace(t, "/etc/a.conf", { content: "a = 1\n", mode: 0o600 });
    const declared = readDeclared(t.file);
    const read = spyOn(kinds.file, "read");
    try {
      expect(await findDrift(t.machine, declared)).toEqual([]);
      expect(await findDrift(t.machine, declared)).toEqual([]);
      expect(read).toHaveBeenCalledTimes(1);
    } finally {
      read.mockRestore();
    }
  });

  test("what comes and goes in a directory is not the directory's", async () => {
    await using t = await setUp();
    await t.declare(...all(t));
    await t.root.write("/etc/a.d/other", "");
    expect(await t.drift()).toEqual([]);
  });

  test("a parent that became a file takes with it what was below", async () => {
    await using t = await setUp();
    const below: AnyWanted[] = [
      { kind: "dir", path: "/etc/a.d/b.d", mode: 0o700 },
      { kind: "file", path: "/etc/a.d/b.d/c", content: "", mode: 0o600 },
      { kind: "absent", path: "/etc/a.d/gone" },
    ];
    await t.declare(...below);
    await rm(t.root.place("/etc/a.d"), { recursive: true });
    await t.root.write("/etc/a.d", "");
    expect(await t.drift()).toEqual(["dir /etc/a.d/b.d", "file /etc/a.d/b.d/c"]);
  });

  test("what cannot be looked at now is no drift", async () => {
    await using t = await setUp();
    await t.declare(...all(t));
    t.machine.docker.up = false;
    t.machine.programs.delete("systemctl");
    expect(await t.drift()).toEqual([]);
  });
});

describe("what is kept", () => {
  test("holds neither contents nor secrets, for root alone", async () => {
    await using t = await setUp();
    await t.declare(...all(t));
    expect(await t.root.mode(STATE)).toBe(0o600);
    const text = (await t.root.read(STATE)) ?? "";
    expect(text).not.toContain("a = 1");
    expect(text).toContain(sha256("a = 1\n"));
  });

  test("is added to by later runs, and of several words on one thing the last one holds", async () => {
    await using t = await setUp();
    await t.declare(things["file"]!, things["dir"]!);
    await t.declare({ kind: "absent", path: "/etc/a.conf" });
    expect(Object.values(readDeclared(t.file)).map(({ kind }) => kind)).toEqual(["absent", "dir"]);
    expect(await t.drift()).toEqual([]);
    await t.root.write("/etc/a.conf", "back");
    expect(await t.drift()).toEqual(["absent /etc/a.conf"]);
  });

  test("a stopped container is to stay away", async () => {
    await using t = await setUp();
    await t.declare(things["container"]!, { kind: "container", name: "etcd" });
    expect(await t.drift()).toEqual([]);
    await t.machine.docker.create({ ...etcd, labels: {} });
    expect(await t.drift()).toEqual(["container etcd"]);
  });

  test("what lies where another program is at home is left out, also what an earlier run has kept of it", async () => {
    await using t = await setUp();
    await mkdir(t.root.place("/var/lib/kubelet"), { recursive: true });
    await t.declare({ kind: "file", path: "/var/lib/kubelet/config", content: "", mode: 0o600 });
    await t.declare(
      { kind: "file", path: "/var/lib/kubelet-other", content: "", mode: 0o600 },
      { kind: "tree", path: "/var/lib/kubelet" },
      { kind: "dir", path: "/var/lib/kubelet", mode: 0o700 },
    );
    expect(Object.keys(readDeclared(t.file))).toEqual(["file:/var/lib/kubelet-other"]);
  });

  test("what could not be brought about is not kept", async () => {
    await using t = await setUp();
    await mkdir(t.root.place("/etc/a.conf"));
    await expect(t.declare(things["file"]!)).rejects.toThrow("it is not a regular file");
    expect(readDeclared(t.file)).toEqual({});
  });

  test.each([
    "",
    "{",
    "null",
    "7",
    "[]",
    "\0",
    '{"a": null, "b": 7, "c": "text"}',
    '{"a": {"kind": "gone", "kept": {}}}',
    '{"a": {"kind": "toString", "kept": {}}}',
    '{"a": {"kind": "file"}}',
    '{"a": {"kind": "file", "kept": null}}',
    '{"a": {"kind": "file", "kept": {"mode": 1}}}',
  ])("a broken file (%p) declares nothing", async (text) => {
    await using t = await setUp();
    await t.root.write(STATE, text);
    expect(readDeclared(t.file)).toEqual({});
    await t.declare(things["dir"]!);
    expect(Object.keys(readDeclared(t.file))).toEqual(["dir:/etc/a.d"]);
  });

  test("without a file nothing is declared", async () => {
    await using t = await setUp();
    expect(readDeclared(t.file)).toEqual({});
  });

  test("the places to watch are the directories of the paths and of enabled units, with the names in them", async () => {
    await using t = await setUp();
    await t.declare(...all(t));
    expect(watchedPlaces(readDeclared(t.file))).toEqual(
      new Map([
        ["/etc", new Set(["a.conf", "old.conf", "link", "a.d"])],
        ["/opt", new Set(["kubelet"])],
        ["/etc/systemd/system/multi-user.target.wants", new Set(["a.service"])],
      ]),
    );
  });
});
