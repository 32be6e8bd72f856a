import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../../src/errors.ts";
import { openCgroup } from "../../../src/host/cgroup.ts";
import { tmpRoot } from "../../fake/root.ts";
import { type Burnt, expectHeldTo } from "../../lab/accounts.ts";

const BURN = join(import.meta.dir, "../../lab/burn.ts");
const name = "pf9-kube-status";
const pid = String(process.pid);

const V1_MOUNTS = `32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;
const V1_TOGETHER = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n";
const V2_MOUNT = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

/** A host with these mounts, whose process is in these groups, with these files below /sys/fs/cgroup. */
async function fakeHost(host: { mounts: string; own: string; files: Record<string, string> }) {
  const root = await tmpRoot();
  await root.write("/self/mountinfo", `22 1 8:1 / / rw - ext4 /dev/vda rw\n${host.mounts}`);
  await root.write("/self/cgroup", host.own);
  await root.write("/fs/cgroup.procs", "");
  for (const [path, text] of Object.entries(host.files)) await root.write(`/fs/${path}`, text);
  return {
    open: (cpuPercent = 40) =>
      openCgroup({ name, cpuPercent, sysfs: root.place("fs"), self: root.place("self") }),
    read: (path: string) => root.read(`fs/${path}`),
    place: (path: string) => root.place(`fs/${path}`),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

describe("version 1", () => {
  const own = "2:cpuacct:/\n1:cpu:/system.slice/x.service\n0::/\n";
  const files = { "cpu/system.slice/x.service/cgroup.procs": "", "cpuacct/cgroup.procs": "" };

  test("the limit stands below the root of the controller, in periods of a second", async () => {
    await using host = await fakeHost({ mounts: V1_MOUNTS, own, files });
    const cgroup = host.open();
    expect([cgroup.version, cgroup.path]).toEqual([1, host.place(`cpu/${name}`)]);
    expect(await host.read(`cpu/${name}/cpu.cfs_period_us`)).toBe("1000000");
    expect(await host.read(`cpu/${name}/cpu.cfs_quota_us`)).toBe("400000");
  });

  test("the process is counted and limited while it works, and goes back where it came from", async () => {
    await using host = await fakeHost({ mounts: V1_MOUNTS, own, files });
    const cgroup = host.open();
    const seen = await cgroup.within(async () => [
      await host.read(`cpu/${name}/cgroup.procs`),
      await host.read(`cpuacct/${name}/cgroup.procs`),
      await host.read("cpu/system.slice/x.service/cgroup.procs"),
    ]);
    expect(seen).toEqual([pid, pid, ""]);
    expect(await host.read("cpu/system.slice/x.service/cgroup.procs")).toBe(pid);
    expect(await host.read("cpuacct/cgroup.procs")).toBe(pid);
  });

  test("it goes back also after an error, and with the last of several works alone", async () => {
    await using host = await fakeHost({ mounts: V1_MOUNTS, own, files });
    const cgroup = host.open();
    const home = () => host.read("cpu/system.slice/x.service/cgroup.procs");
    const work = Promise.withResolvers<void>();
    const long = cgroup.within(() => work.promise);
    await expect(cgroup.within(async () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await home()).toBe("");
    work.resolve();
    await long;
    expect(await home()).toBe(pid);
  });

  test("what is counted is read from where it is, in microseconds", async () => {
    await using host = await fakeHost({
      mounts: V1_TOGETHER,
      own: "1:cpu,cpuacct:/\n",
      files: {
        [`cpu,cpuacct/${name}/cpu.stat`]: "nr_periods 12\nnr_throttled 3\nthrottled_time 4500000\n",
        [`cpu,cpuacct/${name}/cpuacct.usage`]: "1234567\n",
      },
    });
    const cgroup = host.open(5);
    expect(cgroup.usage()).toEqual({ usageUs: 1235, periods: 12, throttledPeriods: 3, throttledUs: 4500 });
    expect(await host.read(`cpu,cpuacct/${name}/cpu.cfs_quota_us`)).toBe("50000");
  });

  test("a process that was started inside goes to the root", async () => {
    const inside = `2:cpuacct:/${name}\n1:cpu:/${name}\n`;
    await using host = await fakeHost({
      mounts: V1_MOUNTS,
      own: inside,
      files: { "cpu/cgroup.procs": "", "cpuacct/cgroup.procs": "" },
    });
    await host.open().within(async () => {});
    expect(await host.read("cpu/cgroup.procs")).toBe(pid);
  });

  test("where it came from is gone meanwhile: it goes to the nearest above", async () => {
    const gone = "1:cpu:/system.slice/gone.service\n";
    await using host = await fakeHost({
      mounts: V1_MOUNTS,
      own: gone,
      files: { ...files, "cpu/system.slice/cgroup.procs": "" },
    });
    await host.open().within(async () => {});
    expect(await host.read("cpu/system.slice/cgroup.procs")).toBe(pid);
  });

  test("a part of the hierarchy that is mounted into a container is found", async () => {
    await using host = await fakeHost({
      mounts: V1_TOGETHER.replace("0:29 / ", "0:29 /docker/abc "),
      own: "1:cpu,cpuacct:/docker/abc/x.service\n",
      files: { "cpu,cpuacct/x.service/cgroup.procs": "" },
    });
    await host.open().within(async () => {});
    expect(await host.read("cpu,cpuacct/x.service/cgroup.procs")).toBe(pid);
  });
});

describe("version 2", () => {
  const service = "system.slice/x.service";
  const files = {
    "cgroup.controllers": "cpuset cpu io\n",
    "cgroup.subtree_control": "cpu\n",
    [`${service}/cgroup.controllers`]: "cpu io\n",
    [`${service}/cgroup.subtree_control`]: "",
    // The kernel makes the files of a new group; here they are there already.
    [`${service}/supervisor/cgroup.procs`]: "",
    [`${service}/${name}/cgroup.procs`]: "",
  };

  test("the service's own group is divided into the limited one and one for the rest of the time", async () => {
    await using host = await fakeHost({ mounts: V2_MOUNT, own: `0::/${service}\n`, files });
    const cgroup = host.open(20);
    expect([cgroup.version, cgroup.path]).toEqual([2, host.place(`${service}/${name}`)]);
    expect(await host.read(`${service}/supervisor/cgroup.procs`)).toBe(pid);
    expect(await host.read(`${service}/cgroup.subtree_control`)).toBe("+cpu");
    expect(await host.read(`${service}/${name}/cpu.max`)).toBe("200000 1000000");
    await cgroup.within(async () => expect(await host.read(`${service}/${name}/cgroup.procs`)).toBe(pid));
    expect(await host.read(`${service}/supervisor/cgroup.procs`)).toBe(pid);
  });

  test.each(["supervisor", name])("after a crash, a process in %s finds the same groups", async (last) => {
    await using host = await fakeHost({
      mounts: V2_MOUNT,
      own: `0::/${service}/${last}\n`,
      files: { ...files, [`${service}/cgroup.subtree_control`]: "cpu\n" },
    });
    const cgroup = host.open();
    expect(cgroup.path).toBe(host.place(`${service}/${name}`));
    await cgroup.within(async () => {});
    expect(await host.read(`${service}/supervisor/cgroup.procs`)).toBe(pid);
  });

  test("a group that cannot be divided is left alone: the limited one is below the root", async () => {
    const { [`${service}/supervisor/cgroup.procs`]: _, ...rest } = files;
    const undivided = { [`${service}/supervisor`]: "no directory can be made here" };
    await using host = await fakeHost({
      mounts: V2_MOUNT,
      own: `0::/${service}\n`,
      files: { ...rest, ...undivided, [`${service}/cgroup.procs`]: "", [`${name}/cgroup.procs`]: "" },
    });
    const cgroup = host.open();
    expect(cgroup.path).toBe(host.place(name));
    await cgroup.within(async () => {});
    expect(await host.read(`${service}/cgroup.procs`)).toBe(pid);
  });

  test("a process in the root of all stays there: it is nobody's to divide", async () => {
    await using host = await fakeHost({
      mounts: V2_MOUNT,
      own: "0::/\n",
      files: { ...files, "cgroup.subtree_control": "", [`${name}/cgroup.procs`]: "" },
    });
    const cgroup = host.open();
    expect(cgroup.path).toBe(host.place(name));
    expect(await host.read("cgroup.subtree_control")).toBe("+cpu");
    expect(existsSync(host.place("supervisor"))).toBe(false);
    await cgroup.within(async () => {});
    expect(await host.read("cgroup.procs")).toBe(pid);
  });

  test("what is counted is read in the kernel's own unit", async () => {
    const stat = "usage_usec 5\nuser_usec 4\nnr_periods 12\nnr_throttled 3\nthrottled_usec 45\n";
    await using host = await fakeHost({
      mounts: V2_MOUNT,
      own: `0::/${service}\n`,
      files: { ...files, [`${service}/${name}/cpu.stat`]: stat },
    });
    expect(host.open().usage()).toEqual({ usageUs: 5, periods: 12, throttledPeriods: 3, throttledUs: 45 });
  });
});

describe("a host that cannot limit", () => {
  test.each([
    ["has no cgroups", ""],
    ["has version 2 without the controller", V2_MOUNT],
  ])("%s: that is told, with the way out", async (_, mounts) => {
    await using host = await fakeHost({ mounts, own: "0::/\n", files: { "cgroup.controllers": "io\n" } });
    expect(() => host.open()).toThrow(AppError);
    expect(() => host.open()).toThrow(
      `Cannot make the cgroup "${name}": the controller "cpu" is not mounted; expected it below ${host.place("").replace(/\/$/, "")}`,
    );
  });
});

const group = "nodelet-unit-test";
const real = process.getuid?.() === 0 && existsSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");

describe("this host's kernel", () => {
  test.skipIf(!real)("holds two busy programs to the limit, by its own account", async () => {
    const child = Bun.spawn([process.execPath, BURN, group, "20", "3500"], { stdout: "pipe" });
    const burnt = (await new Response(child.stdout).json()) as Burnt;
    expectHeldTo(20, burnt);
    expect(burnt.path).toBe(`/sys/fs/cgroup/cpu/${group}`);
    expect(burnt.opened).toEqual(burnt.before);
    for (const groups of [burnt.inside.self, burnt.inside.child])
      expect(groups.find((line) => /:cpu[:,]/.test(line))).toEndWith(`/${group}`);
    expect([burnt.failed, burnt.after]).toEqual(["of the work", burnt.before]);
    expect(burnt.removed).toEqual({ there: false, left: burnt.before, self: burnt.before });
  });
});
