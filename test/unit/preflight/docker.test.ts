import { describe, expect, test } from "bun:test";
import {
  bundle,
  cgroupV1,
  config,
  container,
  entriesWithRuntime,
  lines,
  type Overrides,
  type PlanOverrides,
  preflight,
} from "./fakes.ts";

type Case = [name: string, host: Overrides, line: string, plan?: PlanOverrides];

const systemd = { config: config({ dockerCgroupDriver: "systemd" }) };
const spec = { "io.pf9.nodelet.spec": "abc" };

const errors: Case[] = [
  [
    "no Docker",
    { units: [{ name: "docker.service", load: "not-found" }], engine: "none" },
    "DockerMissing: Docker is not installed: there is no unit docker.service and nothing answers on its socket; expected Docker 19.03 or later as docker.service => install it (Debian, Ubuntu: apt-get install docker.io), or use a bundle that brings a container runtime",
  ],
  [
    "Docker without a unit",
    { units: [{ name: "docker.service", load: "not-found" }] },
    "DockerMissing: Docker 20.10.24+dfsg1 runs, but systemd has no unit docker.service; expected Docker 19.03 or later as docker.service => install it (Debian, Ubuntu: apt-get install docker.io), or use a bundle that brings a container runtime",
  ],
  [
    "a masked unit",
    { units: [{ name: "docker.service", load: "masked" }] },
    "DockerMissing: The unit docker.service is masked; expected one that can be started => run systemctl unmask docker.service docker.socket",
  ],
  [
    "a Docker beside the bundle's engine",
    {},
    "EngineTwice: The bundle's container engine is to be used, but docker.service runs on this host; expected no other engine => set --container-runtime to host, or run systemctl disable --now docker.service docker.socket",
    {
      node: { runtime: "bundled" },
      installed: false,
      bundle: bundle({ entries: entriesWithRuntime(), damage: () => [] }),
    },
  ],
  [
    "an old Docker",
    { engine: { version: "18.09.1" }, files: cgroupV1 },
    "DockerTooOld: Docker is version 18.09.1; expected 19.03 or later => upgrade the packages of Docker on this host",
  ],
  [
    "a driver on the command line of the running dockerd",
    { files: { "/proc/500/cmdline": "/usr/sbin/dockerd\0--exec-opt\0native.cgroupdriver=cgroupfs\0" } },
    "CgroupDriverMismatch: Docker's cgroup driver is fixed to cgroupfs on the command line of dockerd; expected no native.cgroupdriver there, so that daemon.json can set systemd => remove it from docker.service (systemctl edit --full docker.service), or set --docker-cgroup-driver to auto",
    systemd,
  ],
  [
    "a driver that others run with",
    {
      files: { "/etc/docker/daemon.json": '{"exec-opts":["native.cgroupdriver=cgroupfs"]}' },
      engine: { containers: [container("web"), container("old", { running: false })] },
    },
    "CgroupDriverMismatch: Docker's cgroup driver is cgroupfs, set in /etc/docker/daemon.json, and containers run with it: web; expected systemd => stop them first (docker stop web), or set --docker-cgroup-driver to auto",
    systemd,
  ],
  [
    "settings of ours on the command line",
    {
      units: [
        {
          name: "docker.service",
          mainPid: 0,
          command: "/usr/bin/dockerd --log-driver=journald --live-restore",
        },
      ],
    },
    "DockerFlags: dockerd is started with --log-driver, --live-restore; expected these settings in /etc/docker/daemon.json, since Docker does not start with one in both places => move them from docker.service (systemctl edit --full docker.service) to /etc/docker/daemon.json",
  ],
  [
    "a damaged daemon.json",
    { files: { "/etc/docker/daemon.json": '{"live-restore": tru' } },
    'DaemonJsonInvalid: "/etc/docker/daemon.json" is not a JSON object; expected settings of Docker => correct or remove it',
  ],
  [
    "a foreign container with our name",
    { engine: { containers: [container("etcd", { id: "0123456789abcdef", running: false })] } },
    'ContainerNameTaken: The container "etcd" (0123456789ab) is not one of nodelet\'s; expected the name to be free => rename it (docker rename etcd etcd-old) or remove it (docker rm -f etcd)',
  ],
  [
    "pods of another kubelet",
    { engine: { containers: ["a", "b", "c", "d"].map((name) => container(`k8s_${name}`)) } },
    "PodContainers: There are containers of another cluster's kubelet: k8s_a, k8s_b, k8s_c and 1 more; expected none => remove them: docker ps -aq --filter name=k8s_ | xargs docker rm -f",
  ],
];

describe("runPreflight() on Docker", () => {
  test.each(errors)("refuses %s", async (_name, host, line, plan) => {
    expect(lines((await preflight(host, plan)).errors)).toEqual([line]);
  });

  test.each(["aufs", "devicemapper"])("warns of the storage driver %s", async (storageDriver) => {
    const why = storageDriver === "aufs" ? "it is not in current kernels" : "Docker has given it up";
    expect(lines((await preflight({ engine: { storageDriver } })).warnings)).toEqual([
      `StorageDriver: Docker's storage driver is ${storageDriver}; expected overlay2: ${why} => set "storage-driver": "overlay2" in /etc/docker/daemon.json and run systemctl restart docker; its images must be loaded again`,
    ]);
  });

  test("takes an engine that is installed and does not run: init starts it", async () => {
    const stopped = {
      units: [{ name: "docker.service", active: false, mainPid: 0 }],
      engine: "none",
    } as const;
    expect(await preflight(stopped)).toMatchObject({ errors: [], warnings: [] });
  });

  test("takes another cgroup driver that daemon.json can change", async () => {
    expect((await preflight({ engine: { containers: [container("web")] } }, systemd)).errors).toEqual([]);
  });

  test("takes its own containers on an installed node", async () => {
    const containers = [
      container("etcd", { labels: spec }),
      container("proxy", { labels: spec }),
      container("k8s_POD_x"),
    ];
    const daemonJson = { "/etc/docker/daemon.json": '{"exec-opts":["native.cgroupdriver=cgroupfs"]}' };
    const { errors } = await preflight(
      { engine: { containers }, files: daemonJson },
      { installed: true, ...systemd },
    );
    expect(errors).toEqual([]);
  });

  test.each(["19.03.0", "20.10.24+dfsg1", "28.2.2"])("takes Docker %s", async (version) => {
    expect((await preflight({ engine: { version }, files: cgroupV1 })).errors).toEqual([]);
  });
});
