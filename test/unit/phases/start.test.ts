import { describe, expect, test } from "bun:test";
import { cniConfigure } from "../../../phases/065-cni-configure.ts";
import { dockerConfigure } from "../../../phases/040-docker-configure.ts";
import { dockerStart, DOCKER_NEEDS } from "../../../phases/045-docker-start.ts";
import { etcdConfigure } from "../../../phases/050-etcd-configure.ts";
import { etcdRun } from "../../../phases/055-etcd-run.ts";
import { kubeletConfigureStart } from "../../../phases/080-kubelet-configure-start.ts";
import { kubeProxyStart } from "../../../phases/090-kube-proxy-start.ts";
import { loadImages } from "../../../phases/048-load-images.ts";
import { miscScripts } from "../../../phases/075-misc-scripts.ts";
import { loadBalancer } from "../../../phases/057-load-balancer.ts";
import { networkConfigure } from "../../../phases/060-network-configure.ts";
import { prepareKubeConfigs } from "../../../phases/030-prepare-kube-configs.ts";
import { InterruptedError } from "../../../src/errors.ts";
import { undoAll } from "../../../src/host/undo.ts";
import type { Phase } from "../../../src/runner/phase.ts";
import { startPhases } from "../../../src/runner/run.ts";
import { keysOf, world, type World } from "../../fake/ctx.ts";
import { fakeFetch } from "../../fake/fetch.ts";
import { furnish } from "./help.ts";

/** A phase, what its dry run plans among other things, and how the machine can make it fail. */
interface Case {
  phase: Phase;
  plans: readonly string[];
  broken: (w: World) => unknown;
  because: RegExp;
}

const D = "/etc/pf9/kube.d";
const inTheWay = (path: string) => (w: World) => w.root.write(path, "in the way");

const cases: Case[] = [
  {
    phase: prepareKubeConfigs,
    plans: [
      ...["admin", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"].map(
        (name) => `file ${D}/kubeconfigs/${name}.yaml`,
      ),
      "file /etc/pf9/kube.env",
    ],
    broken: (w) => w.root[Symbol.asyncDispose](),
    because: /Cannot read "\/etc\/pf9\/kube\.d\/certs\/.*there is no such file/,
  },
  {
    phase: dockerConfigure,
    plans: [`file ${DOCKER_NEEDS}`, "file /etc/docker/daemon.json"],
    broken: inTheWay("/etc/docker/daemon.json"),
    because: /Cannot read "\/etc\/docker\/daemon\.json": it is not a JSON object/,
  },
  {
    phase: dockerStart,
    plans: ["unit docker.service"],
    broken: (w) =>
      w.machine.units.set("docker.service", { active: false, enabled: true, broken: "no cgroups" }),
    because: /Cannot start the unit "docker\.service": no cgroups/,
  },
  {
    phase: loadImages,
    plans: ["file /opt/pf9/nodelet/index.json", "image nodelet.local/etcd:v1"],
    broken: (w) => w.machine.docker.archives.clear(),
    because: /Cannot load the image "nodelet\.local\/pause:v1"/,
  },
  {
    phase: etcdConfigure,
    plans: ["dir /var/opt/pf9/etcd/data"],
    broken: inTheWay("/var/opt/pf9/etcd/data"),
    because: /Cannot make the directory "\/var\/opt\/pf9\/etcd\/data"/,
  },
  {
    phase: etcdRun,
    plans: ["container etcd"],
    broken: (w) => w.machine.docker.failures.set("create etcd", new Error("no such image")),
    because: /no such image/,
  },
  {
    phase: loadBalancer,
    plans: [`file ${D}/configs/balancer/haproxy.cfg`, "container balancer"],
    broken: (w) => w.machine.docker.failures.set("create balancer", new Error("no such image")),
    because: /no such image/,
  },
  {
    phase: networkConfigure,
    plans: ["module br_netfilter", "file /etc/sysctl.d/99-pf9-network.conf", "sysctl net.ipv4.ip_forward"],
    broken: (w) => w.machine.programs.set("modprobe", () => ({ exitCode: 1, stderr: "FATAL: not found" })),
    because: /Cannot load the kernel module "br_netfilter": FATAL: not found/,
  },
  {
    phase: cniConfigure,
    plans: ["copy /opt/cni/bin/bridge", "file /etc/cni/net.d/00-pf9-bridge.conflist"],
    broken: inTheWay("/etc/cni/net.d"),
    because: /Cannot make the directory "\/etc\/cni\/net\.d"/,
  },
  {
    phase: miscScripts,
    plans: ["file /etc/sysctl.d/99-pf9-kubelet.conf", "sysctl kernel.panic", "copy /opt/pf9/bin/kubelet"],
    broken: (w) => w.root.write("/proc/swaps", "Filename Type Size\n/dev/sda2 partition 1\n"),
    because: /Cannot run a kubelet with swap on \/dev\/sda2/,
  },
  {
    phase: kubeletConfigureStart,
    plans: [
      `file ${D}/configs/kubelet.yaml`,
      `file ${D}/manifests/k8s-master.yaml`,
      "file /etc/systemd/system/pf9-kubelet.service",
      "unit pf9-kubelet.service",
    ],
    broken: (w) =>
      w.machine.units.set("pf9-kubelet.service", { active: false, enabled: true, broken: "bad flag" }),
    because: /Cannot start the unit "pf9-kubelet\.service": bad flag/,
  },
  {
    phase: kubeProxyStart,
    plans: [`file ${D}/configs/kube-proxy.yaml`, "container proxy"],
    broken: (w) => w.machine.docker.failures.set("start proxy", new Error("no such device")),
    because: /no such device/,
  },
];

async function furnished(): Promise<World> {
  const w = await world();
  await furnish(w);
  w.machine.programs.set("modprobe", () => {
    Bun.spawnSync([
      "mkdir",
      "-p",
      w.root.place("/proc/sys/net/bridge"),
      w.root.place("/sys/module/br_netfilter"),
    ]);
    return {};
  });
  return w;
}

describe.each(cases.map((one) => ({ ...one, id: one.phase.id })))(
  "$id",
  ({ phase, plans, broken, because }) => {
    test("plans what it would change, and changes nothing", async () => {
      await using w = await furnished();
      if (phase === networkConfigure) await Bun.$`rm -r ${w.root.place("/proc/sys/net/bridge")}`;
      const before = await w.root.snapshot();
      await phase.start(w.dry);
      expect(keysOf(w.plan)).toEqual(expect.arrayContaining([...plans]));
      expect(await w.root.snapshot()).toEqual(before);
      expect(w.machine.docker.calls).toEqual([]);
    });

    test("started again it changes nothing", async () => {
      await using w = await furnished();
      await phase.start(w.ctx);
      w.machine.docker.calls.length = 0;
      const before = await w.root.snapshot();
      expect(await phase.start(w.ctx)).toBe("unchanged");
      expect(await w.root.snapshot()).toEqual(before);
      expect(w.machine.docker.calls).toEqual([]);
    });

    test("a failure names the phase and the cause", async () => {
      await using w = await furnished();
      if (phase === networkConfigure) await Bun.$`rm -r ${w.root.place("/proc/sys/net/bridge")}`;
      await broken(w);
      const work = startPhases(w.ctx, { phases: [phase], listen() {} });
      const error = (await work.catch((reason: unknown) => reason)) as Error;
      expect(error.message).toStartWith(`Cannot start the phase "${phase.id}" (${phase.title}): `);
      expect(error.message).toMatch(because);
    });

    test("can be stopped, started again and undone", async () => {
      await using w = await furnished();
      const before = await w.root.snapshot();
      await phase.start(w.ctx);
      await phase.stop(w.ctx, () => {});
      await phase.stop(w.ctx, () => {});
      await phase.start(w.ctx);
      expect((await undoAll(w.machine, { records: w.journal.records() })).failures).toEqual([]);
      if (w.journal.exists) w.journal.discard();
      const after = await w.root.snapshot();
      const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
      expect(
        names.filter((name) => !name.startsWith("var/opt/pf9/nodelet") && before[name] !== after[name]),
      ).toEqual([]);
    });
  },
);

describe.each(
  [dockerStart, etcdRun, loadBalancer, kubeletConfigureStart, kubeProxyStart].map((phase) => ({
    phase,
    id: phase.id,
  })),
)("the wait of $id", ({ phase }) => {
  test("ends when the operator asks", async () => {
    await using w = await furnished();
    using _net = fakeFetch(() => undefined);
    w.machine.docker.up = phase !== dockerStart;
    w.clock.onSleep = () => w.abort();
    const error = await phase.ready?.(w.ctx, () => {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InterruptedError);
  });

  test("says what it waits for, and ends at its deadline", async () => {
    await using w = await furnished();
    using _net = fakeFetch(() => undefined);
    w.machine.docker.up = phase !== dockerStart;
    const said = new Set<string>();
    const error = (await phase
      .ready?.(w.ctx, (what) => said.add(what))
      .catch((reason: unknown) => reason)) as Error;
    expect(error.message).toMatch(/^Cannot start .* within \d+ s: /);
    expect(error.message).toEndWith([...said].at(-1) ?? "nothing was said");
  });
});

test("etcd that ended is told at once, with its last words", async () => {
  await using w = await furnished();
  await etcdRun.start(w.ctx);
  Object.assign(w.machine.docker.containers.get("etcd") ?? {}, { running: false, exitCode: 1 });
  w.machine.docker.output.set("etcd", "first\npanic: no room\n");
  await expect(etcdRun.ready?.(w.ctx, () => {})).rejects.toThrow(
    /etcd ended with code 1; it says: panic: no room/,
  );
});

test("Docker starts anew once after its configuration changed", async () => {
  await using w = await furnished();
  await dockerConfigure.start(w.ctx);
  w.machine.calls.length = 0;
  expect(await dockerStart.start(w.ctx)).toBe("changed");
  expect(w.machine.calls).toContain("systemctl restart docker.service");
  w.machine.calls.length = 0;
  expect(await dockerStart.start(w.ctx)).toBe("unchanged");
  expect(w.machine.calls).not.toContain("systemctl restart docker.service");
});

test("the control plane is made anew for a certificate that it reads, and for no other", async () => {
  await using w = await furnished();
  const manifest = async () => {
    await kubeletConfigureStart.start(w.ctx);
    return await Bun.file(w.root.place(`${D}/manifests/k8s-master.yaml`)).text();
  };
  const before = await manifest();
  await w.root.write(`${D}/certs/admin.crt`, "another");
  await w.root.write(`${D}/certs/own.crt`, "of the operator");
  expect(await manifest()).toBe(before);
  await w.root.write(`${D}/certs/apiserver.crt`, "another");
  expect(await manifest()).not.toBe(before);
});
