import { fileContent } from "../../../src/bundle/content.ts";
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { kinds } from "../../../src/host/kinds/index.ts";
import { removePodContainers } from "../../../src/host/kinds/claims.ts";
import { SPEC_LABEL, specDigest } from "../../../src/host/kinds/container.ts";
import { container } from "../../fake/docker.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

/** A machine on a root of its own. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  return {
    root,
    machine,
    docker: machine.docker,
    async [Symbol.asyncDispose]() {
      machine[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

const ID = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"b".repeat(64)}`;
const spec = { name: "etcd", imageId: ID, command: ["etcd"], logs: { maxSize: "1m", maxFiles: 2 } };

describe("module", () => {
  const wanted = { name: "br_netfilter", proof: "/proc/sys/net/bridge" };

  test("built in counts as there, by its proof or by /sys/module", async () => {
    await using t = await setUp();
    expect(kinds.module.same(await kinds.module.read(t.machine, wanted), wanted)).toBe(false);
    await mkdir(t.root.place("/sys/module/br_netfilter"), { recursive: true });
    expect(kinds.module.same(await kinds.module.read(t.machine, wanted), wanted)).toBe(true);
  });

  test("is loaded, and unloaded again only when it was not there", async () => {
    await using t = await setUp();
    t.machine.programs.set("modprobe", () => {
      mkdirSync(t.root.place(wanted.proof), { recursive: true });
      return {};
    });
    await kinds.module.apply(t.machine, wanted);
    await kinds.module.restore(t.machine, { key: wanted.name, before: { present: true } });
    await kinds.module.restore(t.machine, { key: wanted.name, before: { present: false } });
    expect(t.machine.calls).toEqual(["modprobe br_netfilter", "modprobe -r br_netfilter"]);
  });

  test("one that does not appear is named with modprobe's words and the proof", async () => {
    await using t = await setUp();
    t.machine.programs.set("modprobe", () => ({
      exitCode: 1,
      stderr: "FATAL: Module br_netfilter not found.\n",
    }));
    await expect(kinds.module.apply(t.machine, wanted)).rejects.toThrow(
      'Cannot load the kernel module "br_netfilter": FATAL: Module br_netfilter not found.; expected /proc/sys/net/bridge',
    );
  });
});

describe("unit", () => {
  test("is enabled and started once, and undone in reverse", async () => {
    await using t = await setUp();
    t.machine.units.set("a.service", { active: false, enabled: false });
    const wanted = { name: "a.service", active: true, enabled: true };
    const before = await kinds.unit.read(t.machine, wanted);
    expect(kinds.unit.same(before, wanted)).toBe(false);
    await kinds.unit.apply(t.machine, wanted);
    await kinds.unit.apply(t.machine, wanted);
    const acted = t.machine.calls.filter((call) => !call.includes(" show "));
    expect(acted).toEqual(["systemctl enable --quiet a.service", "systemctl start a.service"]);
    expect(kinds.unit.same(await kinds.unit.read(t.machine, wanted), wanted)).toBe(true);
    for (const _ of [1, 2]) await kinds.unit.restore(t.machine, { key: "a.service", before });
    expect(t.machine.units.get("a.service")).toMatchObject({ active: false, enabled: false });
  });

  test("a process with other inputs is restarted, one with these is left alone", async () => {
    await using t = await setUp();
    const write = (inputs: string) =>
      t.root.write("/etc/systemd/system/k.service", `Environment=NODELET_INPUTS=${inputs}\n`);
    await write("one");
    await kinds.unit.apply(t.machine, { name: "k.service", active: true, inputs: "one" });
    const first = t.machine.units.get("k.service")?.process?.pid;
    await kinds.unit.apply(t.machine, { name: "k.service", active: true, inputs: "one" });
    expect(t.machine.units.get("k.service")?.process?.pid).toBe(first as number);
    await write("two");
    await kinds.unit.apply(t.machine, { name: "k.service", active: true, inputs: "two" });
    expect(t.machine.units.get("k.service")?.process?.pid).not.toBe(first as number);
    expect(await kinds.unit.read(t.machine, { name: "k.service", active: true })).toMatchObject({
      inputs: "two",
    });
  });

  test("a process is renewed whose files were changed; what is kept of it is not to be renewed again", async () => {
    await using t = await setUp();
    t.machine.units.set("a.service", { active: true, enabled: true, stale: true });
    const wanted = { name: "a.service", active: true, renew: true };
    expect(kinds.unit.same(await kinds.unit.read(t.machine, wanted), wanted)).toBe(false);
    t.machine.calls.length = 0;
    await kinds.unit.apply(t.machine, wanted);
    expect(t.machine.calls.slice(1)).toEqual(["systemctl daemon-reload", "systemctl restart a.service"]);
    expect(kinds.unit.keep?.(wanted)).toEqual({ name: "a.service", active: true });
  });

  test("systemd reads a changed file before anything else", async () => {
    await using t = await setUp();
    t.machine.units.set("a.service", { active: false, enabled: false, stale: true });
    await kinds.unit.apply(t.machine, { name: "a.service", active: true });
    expect(t.machine.calls.slice(1)).toEqual(["systemctl daemon-reload", "systemctl start a.service"]);
  });

  test("one that does not start is named with its last lines", async () => {
    await using t = await setUp();
    t.machine.units.set("a.service", { active: false, enabled: false, broken: "Job for a.service failed." });
    await expect(kinds.unit.apply(t.machine, { name: "a.service", active: true })).rejects.toThrow(
      'Cannot start the unit "a.service": Job for a.service failed.; its last lines: the last words',
    );
  });

  test("undo lets a unit be whose file is gone already", async () => {
    await using t = await setUp();
    const before = { active: false, enabled: false, state: "inactive", inputs: "", stale: false };
    await kinds.unit.restore(t.machine, { key: "gone.service", before });
    expect(t.machine.calls).toEqual(["systemctl show gone.service --property=LoadState"]);
  });
});

describe("a unit on its way", () => {
  const jobs = (t: Awaited<ReturnType<typeof setUp>>, pid: number) => {
    let shown = 0;
    t.machine.programs.set("systemctl", () => {
      shown += 1;
      const job = shown < 3 ? "Job=7\n" : "";
      return { stdout: `ActiveState=${job ? "deactivating" : "inactive"}\nMainPID=${pid}\n${job}` };
    });
    return () => shown;
  };

  test("is waited for", async () => {
    await using t = await setUp();
    jobs(t, 0);
    expect(await kinds.unit.read(t.machine, { name: "docker.service" })).toMatchObject({ state: "inactive" });
  });

  test("is not waited for by its own process, which it waits for itself", async () => {
    await using t = await setUp();
    const looks = jobs(t, process.pid);
    expect(await kinds.unit.read(t.machine, { name: "a.service" })).toMatchObject({ state: "deactivating" });
    expect(looks()).toBe(1);
  });
});

describe("container", () => {
  const wanted = { name: "etcd", spec };

  test("is made and started once; the same spec is left running", async () => {
    await using t = await setUp();
    const before = await kinds.container.read(t.machine, wanted);
    for (const _ of [1, 2]) await kinds.container.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["remove etcd", "create etcd", "start etcd"]);
    expect(kinds.container.same(await kinds.container.read(t.machine, wanted), wanted)).toBe(true);
    for (const _ of [1, 2]) await kinds.container.restore(t.machine, { key: "etcd", before });
    expect(t.docker.containers.size).toBe(0);
  });

  test("of a run that was killed before the start is started, not made again", async () => {
    await using t = await setUp();
    t.docker.containers.set("etcd", container("etcd", { labels: { [SPEC_LABEL]: specDigest(spec) } }));
    expect(kinds.container.same(await kinds.container.read(t.machine, wanted), wanted)).toBe(false);
    await kinds.container.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["start etcd"]);
  });

  test("that ends again and again begins anew, without the engine's pause", async () => {
    await using t = await setUp();
    const labels = { [SPEC_LABEL]: specDigest(spec) };
    t.docker.containers.set("etcd", container("etcd", { labels, status: "restarting (1)" }));
    await kinds.container.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["stop etcd", "start etcd"]);
  });

  test.each(["removing (137)", "dead (137)"])("that is %s is made anew once it is gone", async (status) => {
    await using t = await setUp();
    const labels = { [SPEC_LABEL]: specDigest(spec) };
    t.docker.containers.set("etcd", container("etcd", { labels, status }));
    const inspect = t.docker.inspect;
    let looks = 0;
    t.docker.inspect = async (name) => {
      if (++looks === 3) t.docker.containers.delete("etcd");
      return await inspect(name);
    };
    await kinds.container.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["remove etcd", "create etcd", "start etcd"]);
  });

  const trimmed =
    "runc create failed: unable to apply cgroup configuration: mkdir …: no such file or directory";

  test.each([
    ["a cgroup that systemd took away, once", trimmed, 2, true],
    ["a cgroup that is never there", trimmed, 9, false],
    ["anything else", "no such device", 2, false],
  ])("whose start fails for %s", async (_, message, failures, starts) => {
    await using t = await setUp();
    const start = t.docker.start;
    let tries = 0;
    t.docker.start = async (name) => {
      if (++tries <= failures) throw new Error(message);
      await start(name);
    };
    const done = kinds.container.apply(t.machine, wanted).then(
      () => true,
      () => false,
    );
    expect([await done, tries]).toEqual([starts, message === trimmed ? 3 : 1]);
  });

  test("of another spec is stopped in peace and made anew", async () => {
    await using t = await setUp();
    await kinds.container.apply(t.machine, { name: "etcd", spec: { ...spec, command: ["old"] } });
    t.docker.calls.length = 0;
    await kinds.container.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["stop etcd", "remove etcd", "create etcd", "start etcd"]);
  });

  test("that is not wanted goes", async () => {
    await using t = await setUp();
    await kinds.container.apply(t.machine, wanted);
    await kinds.container.apply(t.machine, { name: "etcd" });
    expect(
      kinds.container.same(await kinds.container.read(t.machine, { name: "etcd" }), { name: "etcd" }),
    ).toBe(true);
  });

  test("undo without an engine is no failure, and what was there before stays", async () => {
    await using t = await setUp();
    await kinds.container.apply(t.machine, wanted);
    await kinds.container.restore(t.machine, {
      key: "etcd",
      before: { exists: true, running: true, spec: "" },
    });
    expect(t.docker.containers.size).toBe(1);
    const calls = t.docker.calls.length;
    t.docker.up = false;
    await kinds.container.restore(t.machine, {
      key: "etcd",
      before: { exists: false, running: false, spec: "" },
    });
    expect(t.docker.calls.length).toBe(calls);
  });
});

describe("image", () => {
  const archive = () => fileContent("/b/etcd.tar", 1);
  const pinned = ["remove nodelet-pin-etcd-1", "create nodelet-pin-etcd-1"];
  const wanted = { reference: "nodelet.local/etcd:1", imageId: ID, archive, from: "/b/etcd.tar" };

  test("is loaded and named, once", async () => {
    await using t = await setUp();
    t.docker.archives.set("/b/etcd.tar", { imageId: ID, references: [] });
    for (const _ of [1, 2]) await kinds.image.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["load nodelet.local/etcd:1", "tag nodelet.local/etcd:1", ...pinned]);
    expect(kinds.image.same(await kinds.image.read(t.machine, wanted), wanted)).toBe(true);
  });

  test("that is there under another name is only named", async () => {
    await using t = await setUp();
    t.docker.imageIds.add(ID);
    await kinds.image.apply(t.machine, wanted);
    expect(t.docker.calls).toEqual(["tag nodelet.local/etcd:1", ...pinned]);
  });

  test("is held by a container that never runs, which is made again when it was removed, and goes with undo", async () => {
    await using t = await setUp();
    t.docker.imageIds.add(ID);
    const before = await kinds.image.read(t.machine, wanted);
    await kinds.image.apply(t.machine, wanted);
    expect(t.docker.containers.get("nodelet-pin-etcd-1")?.running).toBe(false);
    t.docker.containers.delete("nodelet-pin-etcd-1");
    expect(kinds.image.same(await kinds.image.read(t.machine, wanted), wanted)).toBe(false);
    await kinds.image.apply(t.machine, wanted);
    expect(kinds.image.same(await kinds.image.read(t.machine, wanted), wanted)).toBe(true);
    await kinds.image.restore(t.machine, { key: wanted.reference, before });
    expect(t.docker.containers.size).toBe(0);
  });

  test("an archive with another image is refused", async () => {
    await using t = await setUp();
    t.docker.archives.set("/b/etcd.tar", { imageId: OTHER, references: [] });
    await expect(kinds.image.apply(t.machine, wanted)).rejects.toThrow(
      `Cannot load the image "nodelet.local/etcd:1": "/b/etcd.tar" does not hold the image ${ID}`,
    );
  });

  test("undo removes what was not there, and gives a name back to what had it", async () => {
    await using t = await setUp();
    t.docker.imageIds.add(OTHER);
    t.docker.references.set(wanted.reference, OTHER);
    t.docker.archives.set("/b/etcd.tar", { imageId: ID, references: [] });
    const before = await kinds.image.read(t.machine, wanted);
    await kinds.image.apply(t.machine, wanted);
    for (const _ of [1, 2]) await kinds.image.restore(t.machine, { key: wanted.reference, before });
    expect(t.docker.references.get(wanted.reference)).toBe(OTHER);
    for (const _ of [1, 2]) {
      await kinds.image.restore(t.machine, {
        key: wanted.reference,
        before: { imageId: null, present: false },
      });
    }
    expect(t.docker.references.size).toBe(0);
  });
});

describe("claims", () => {
  test("a tree: what was there before stays, all else goes", async () => {
    await using t = await setUp();
    await t.root.write("/var/lib/cni/theirs", "1");
    const before = await kinds.tree.read(t.machine, { path: "/var/lib/cni" });
    await t.root.write("/var/lib/cni/networks/ours", "1");
    for (const _ of [1, 2]) await kinds.tree.restore(t.machine, { key: "/var/lib/cni", before });
    expect(Object.keys(await t.root.snapshot()).at(-1)).toBe("var/lib/cni/theirs");
  });

  test("a tree that was not there goes as a whole, with the parents made for it", async () => {
    await using t = await setUp();
    await mkdir(t.root.place("/var"));
    const before = await kinds.tree.read(t.machine, { path: "/var/lib/cni" });
    await t.root.write("/var/lib/cni/networks/ours", "1");
    for (const _ of [1, 2]) await kinds.tree.restore(t.machine, { key: "/var/lib/cni", before });
    expect(Object.keys(await t.root.snapshot())).toEqual(["var"]);
  });

  test("pods: containers of the kubelet go, but for those that were there", async () => {
    await using t = await setUp();
    const labels = { "io.kubernetes.pod.uid": "u", "io.kubernetes.pod.name": "web-1" };
    t.docker.containers.set("old", container("old", { labels }));
    const before = await kinds.pods.read(t.machine, { owner: "kubelet" });
    t.docker.containers.set("new", container("new", { labels }));
    t.docker.containers.set("other", container("other"));
    for (const _ of [1, 2]) await kinds.pods.restore(t.machine, { key: "kubelet", before });
    expect([...t.docker.containers.keys()]).toEqual(["old", "other"]);
  });

  test("removePodContainers() takes the pods of one name, and nothing without an engine", async () => {
    await using t = await setUp();
    for (const name of ["k8s-master-n1", "web-1"]) {
      const labels = { "io.kubernetes.pod.uid": name, "io.kubernetes.pod.name": name };
      t.docker.containers.set(name, container(name, { labels }));
    }
    expect(await removePodContainers(t.machine, { pod: "k8s-master-" })).toBe(1);
    expect([...t.docker.containers.keys()]).toEqual(["web-1"]);
    t.docker.up = false;
    expect(await removePodContainers(t.machine)).toBe(0);
  });

  test("an interface that is not there, or was there before, is left alone", async () => {
    await using t = await setUp();
    expect(await kinds.interface.read(t.machine, { name: "lo" })).toEqual({
      present: existsSync("/sys/class/net/lo"),
    });
    await kinds.interface.restore(t.machine, { key: "lo", before: { present: true } });
    await kinds.interface.restore(t.machine, { key: "nodelet-none", before: { present: false } });
    expect(t.machine.calls).toEqual([]);
  });

  test("chains are only looked for on a running host", async () => {
    await using t = await setUp();
    expect(await kinds.chains.read(t.machine, { prefix: "KUBE-" })).toEqual({ present: false });
    await kinds.chains.restore(t.machine, { key: "KUBE-", before: { present: false } });
    expect(t.machine.calls).toEqual([]);
  });
});
