import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { removeCgroups } from "../../../src/cli/reset-cgroups.ts";
import { engineUnit, isInEngine, withoutNeedlessImages } from "../../../src/cli/reset-engine.ts";
import { keepData, settleKeepDir } from "../../../src/cli/reset-keep.ts";
import { mountedBefore } from "../../../src/cli/reset-mounts.ts";
import { UsageError } from "../../../src/errors.ts";
import { Journal, type JournalRecord } from "../../../src/host/journal.ts";
import type { DirFound } from "../../../src/host/kinds/dir.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A host with a journal. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const again = () => new Journal(machine);
  const there = (path: string) => existsSync(root.place(path));
  return { root, machine, again, there, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe("the engine of a node", () => {
  const image: JournalRecord = { kind: "image", key: "a:1", before: { imageId: null } };
  const container: JournalRecord = { kind: "container", key: "etcd", before: { exists: false } };

  test("is the host's, unless nodelet brought one: its images go with its data", () => {
    const own: JournalRecord = { kind: "unit", key: "pf9-docker.service", before: { active: false } };
    expect([engineUnit([image]), engineUnit([own, image])]).toEqual(["docker.service", "pf9-docker.service"]);
    expect(withoutNeedlessImages([image, container], "pf9-docker.service")).toEqual([container]);
    expect(withoutNeedlessImages([image, container], "docker.service")).toEqual([image, container]);
  });

  test("has containers and images in it, and no files", () => {
    expect([image, container].map(isInEngine)).toEqual([true, true]);
    expect(isInEngine({ kind: "tree", key: "/var/lib/docker", before: {} })).toBe(false);
  });
});

describe("cgroups", () => {
  test("that are left of pods go with all below; those that were there before stay, and those of others", async () => {
    await using t = await setUp();
    const all = ["cpu/kubepods/burstable/pod1", "memory/docker", "memory/theirs", "system.slice/ssh.service"];
    for (const path of all) await mkdir(t.root.place(`/sys/fs/cgroup/${path}`), { recursive: true });
    await removeCgroups(t.machine, { "cgroup docker": "" });
    expect(all.map((path) => t.there(`/sys/fs/cgroup/${path}`))).toEqual([false, true, true, true]);
    expect(t.there("/sys/fs/cgroup/cpu/kubepods")).toBe(false);
  });
});

test("a cgroup that a dying process is in goes when it has left", async () => {
  await using t = await setUp();
  // A file keeps a directory here as a process does there.
  await t.root.write("/sys/fs/cgroup/docker/process", "");
  const left = Bun.sleep(150).then(() => rm(t.root.place("/sys/fs/cgroup/docker/process")));
  await removeCgroups(t.machine, {});
  await left;
  expect(t.there("/sys/fs/cgroup/docker")).toBe(false);
});

describe("what is mounted on the kubelet's directory", () => {
  const dir = "/var/lib/kubelet";
  const root = "1 0 8:1 / / rw - ext4 /dev/sda1 rw";
  const theirs: DirFound = { type: "dir", mode: 0o755, names: [], mounts: 1 };
  const ours: DirFound = { type: "absent", topmost: dir };

  test.each<[string, string[], DirFound]>([
    ["nothing", [], ours],
    ["itself, by the kubelet", ["2 1 8:1 /var/lib/kubelet /var/lib/kubelet rw - ext4 /dev/sda1 rw"], ours],
    ["a disk of its own", ["2 1 8:2 / /var/lib/kubelet rw - ext4 /dev/sdb1 rw"], theirs],
    [
      "another directory of the same disk",
      ["2 1 8:1 /data/k /var/lib/kubelet rw - ext4 /dev/sda1 rw"],
      theirs,
    ],
    [
      "itself, on a disk that begins further up",
      [
        "2 1 8:2 /vol /var rw - ext4 /dev/sdb1 rw",
        "3 2 8:2 /vol/lib/kubelet /var/lib/kubelet rw - ext4 /dev/sdb1 rw",
      ],
      ours,
    ],
  ])("%s", (_, lines, expected) => {
    expect(mountedBefore([root, ...lines].join("\n"), dir)).toEqual(expected);
  });
});

describe("data that is kept", () => {
  const DATA = "/var/opt/pf9/etcd/data";
  const records: JournalRecord[] = [
    { kind: "tree", key: DATA, before: { type: "dir", mode: 0o700, names: ["lost+found"], mounts: 0 } },
    { kind: "tree", key: "/var/log/pf9", before: { type: "absent", topmost: "/var/log/pf9" } },
  ];

  async function node() {
    const t = await setUp();
    for (const record of records) t.again().add(record);
    await t.root.write(`${DATA}/member/snap/db`, "data");
    await t.root.write(`${DATA}/lost+found/x`, "theirs");
    await t.root.write("/etc/pf9/kube.d/certs/etcd/ca.key", "key");
    await t.root.write("/etc/pf9/kube.d/configs/encryption.yaml", "secret");
    const keep = () => keepData(t.machine, { dir: "/kept", records, journal: t.again() });
    return { ...t, keep };
  }

  test("is etcd's, the certificates and what encrypts the data; what was in the directory before stays", async () => {
    await using t = await node();
    await t.keep();
    const found = Object.entries(await t.root.snapshot());
    const files = found.filter(([name, state]) => name.startsWith("kept/") && state.startsWith("file"));
    expect(files.map(([name]) => name)).toEqual([
      "kept/certs/etcd/ca.key",
      "kept/encryption.yaml",
      "kept/etcd/member/snap/db",
    ]);
    expect([t.there(`${DATA}/member`), t.there(`${DATA}/lost+found/x`)]).toEqual([false, true]);
    expect([await t.root.mode("/kept"), await t.root.mode("/kept/certs/etcd/ca.key")]).toEqual([
      0o700, 0o600,
    ]);
  });

  test("survives a kill and an etcd that came up on nothing: the next run touches none of it", async () => {
    await using t = await node();
    await t.keep();
    await rm(t.root.place("/etc/pf9"), { recursive: true });
    await t.root.write(`${DATA}/member/snap/db`, "an empty one");
    await t.root.write("/etc/pf9/kube.d/certs/etcd/ca.key", "another");
    await t.keep();
    expect(await t.root.read("/kept/etcd/member/snap/db")).toBe("data");
    expect(await t.root.read("/kept/certs/etcd/ca.key")).toBe("key");
  });

  test("that was not moved yet when the run was killed is moved by the next", async () => {
    await using t = await node();
    await t.keep();
    await rename(t.root.place("/kept/etcd/member"), t.root.place(`${DATA}/member`));
    await t.keep();
    expect(await t.root.read("/kept/etcd/member/snap/db")).toBe("data");
  });

  test("goes where the first run said, whatever the next one says", async () => {
    await using t = await node();
    const settle = (asked?: string | true) =>
      settleKeepDir(t.machine, { journal: t.again(), asked, now: NOW });
    expect([await settle(), await settle(true), await settle("/kept")]).toEqual([
      undefined,
      "/var/opt/pf9-kept-20260102T030405Z",
      "/kept",
    ]);
    await t.keep();
    expect([await settle(), await settle("/elsewhere")]).toEqual(["/kept", "/kept"]);
  });

  test("is not put where it would be removed", async () => {
    await using t = await node();
    const settled = settleKeepDir(t.machine, { journal: t.again(), asked: `${DATA}/kept`, now: NOW });
    await expect(settled).rejects.toThrow(UsageError);
  });
});
