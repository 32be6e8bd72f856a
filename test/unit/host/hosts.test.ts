import { describe, expect, test } from "bun:test";
import { fileContent } from "../../../src/bundle/content.ts";
import { readRequired } from "../../../src/host/host.ts";
import { Journal } from "../../../src/host/journal.ts";
import { type PlannedChange, realHost, recordingHost } from "../../../src/host/real.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const file = { kind: "file", path: "/a", content: "new", mode: 0o600 } as const;

async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const plan: PlannedChange[] = [];
  const journal = new Journal(machine);
  return { root, machine, plan, journal, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

describe("recordingHost()", () => {
  test("plans old and new, and changes nothing", async () => {
    await using t = await setUp();
    await t.root.write("/a", "old", 0o644);
    t.machine.units.set("a.service", { active: false, enabled: false });
    const before = await t.root.snapshot();
    const host = recordingHost({ ...t.machine, root: "/" }, t.plan);
    await host.ensure({ ...file, path: t.root.place("/a") });
    await host.ensure({ kind: "unit", name: "a.service", active: true, enabled: true });
    await host.ensure({ kind: "chains", prefix: "KUBE-" });
    expect(t.plan).toEqual([
      {
        kind: "file",
        key: t.root.place("/a"),
        from: expect.stringMatching(/^3 B, 0644/),
        to: expect.stringMatching(/^3 B, 0600/),
      },
      { kind: "unit", key: "a.service", from: "inactive, not enabled", to: "active, enabled" },
    ]);
    expect(await t.root.snapshot()).toEqual(before);
    expect(t.machine.units.get("a.service")?.active).toBe(false);
  });

  test("under another root does not ask the running machine", async () => {
    await using t = await setUp();
    const host = recordingHost(t.machine, t.plan);
    await host.ensure({ kind: "unit", name: "a.service", active: true });
    expect(t.plan).toEqual([{ kind: "unit", key: "a.service", from: "unknown", to: "active" }]);
    expect(t.machine.calls).toEqual([]);
  });

  test("does not ask an engine that is not there yet", async () => {
    await using t = await setUp();
    t.machine.docker.up = false;
    const host = recordingHost({ ...t.machine, root: "/" }, t.plan);
    const archive = () => fileContent("/nowhere", 0);
    await host.ensure({ kind: "image", reference: "a:1", imageId: "sha256:1234", archive, from: "/bundle" });
    await host.ensure({ kind: "container", name: "etcd" });
    expect(t.plan.map(({ kind, key, from }) => [kind, key, from])).toEqual([
      ["image", "a:1", "unknown"],
      ["container", "etcd", "unknown"],
    ]);
  });

  test("knows files and directories that are there", async () => {
    await using t = await setUp();
    await t.root.write("/a/b", "");
    const host = recordingHost(t.machine, t.plan);
    expect(await Promise.all(["/a", "/a/b", "/a/c"].map((path) => host.exists(path)))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("says unchanged for what is as wanted", async () => {
    await using t = await setUp();
    await t.root.write("/a", "new", 0o600);
    expect(await recordingHost(t.machine, t.plan).ensure(file)).toBe("unchanged");
    expect(t.plan).toEqual([]);
  });

  test("later steps see what earlier ones would have written and removed", async () => {
    await using t = await setUp();
    await t.root.write("/b", "there");
    const host = recordingHost(t.machine, t.plan);
    await host.ensure(file);
    await host.ensure({ kind: "absent", path: "/b" });
    expect([await host.read("/a"), await host.exists("/a")]).toEqual(["new", true]);
    expect([await host.read("/b"), await host.exists("/b")]).toEqual([undefined, false]);
    expect(host.detached).toBe(true);
  });
});

describe("realHost()", () => {
  test("under another root touches files alone, and plans the rest", async () => {
    await using t = await setUp();
    const host = realHost(t.machine, { journal: t.journal, plan: t.plan });
    expect(await host.ensure(file)).toBe("changed");
    expect(await host.ensure({ kind: "sysctl", name: "kernel.panic", value: "10" })).toBe("unchanged");
    expect(await host.ensure({ kind: "unit", name: "a.service", active: true })).toBe("unchanged");
    expect(await host.ensure({ kind: "container", name: "etcd" })).toBe("unchanged");
    expect(await t.root.read("/a")).toBe("new");
    expect(t.plan).toEqual([
      { kind: "sysctl", key: "kernel.panic", from: "unknown", to: "10" },
      { kind: "unit", key: "a.service", from: "unknown", to: "active" },
      { kind: "container", key: "etcd", from: "unknown", to: "absent" },
    ]);
    expect([t.machine.calls, t.machine.docker.calls]).toEqual([[], []]);
  });

  test("a second time is unchanged, and what was there before is known", async () => {
    await using t = await setUp();
    const changes: PlannedChange[] = [];
    const host = realHost(t.machine, { journal: t.journal, onChange: (change) => changes.push(change) });
    await host.ensure(file);
    expect(await host.ensure(file)).toBe("unchanged");
    expect(changes.map(({ key, from }) => ({ key, from }))).toEqual([{ key: "/a", from: "absent" }]);
    expect(host.before("file", "/a")).toEqual({ type: "absent" });
    expect(host.before("file", "/b")).toBeUndefined();
  });

  test("a claim is recorded once, with what was there at first", async () => {
    await using t = await setUp();
    const host = realHost(t.machine, { journal: t.journal });
    await t.root.write("/var/lib/cni/theirs", "1");
    expect(await host.ensure({ kind: "tree", path: "/var/lib/cni" })).toBe("unchanged");
    await t.root.write("/var/lib/cni/ours", "1");
    await host.ensure({ kind: "tree", path: "/var/lib/cni" });
    expect(host.before("tree", "/var/lib/cni")).toMatchObject({ names: ["theirs"] });
  });

  test("looks below its root: nothing there is nothing, not an error", async () => {
    await using t = await setUp();
    const host = realHost(t.machine, { journal: t.journal });
    await t.root.write("/d/b", "1");
    await t.root.write("/d/a", "1");
    expect(await host.list("/d")).toEqual(["a", "b"]);
    expect([await host.list("/none"), await host.read("/none"), await host.read("/d/a/b")]).toEqual([
      [],
      undefined,
      undefined,
    ]);
    expect(host.place("/d")).toBe(t.root.place("/d"));
    await expect(readRequired(host, "/none")).rejects.toThrow('Cannot read "/none": there is no such file');
  });
});
