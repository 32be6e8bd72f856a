import { describe, expect, test } from "bun:test";
import { cgroupV1, config, lines, type Overrides, type PlanOverrides, preflight } from "./fakes.ts";

type Case = [name: string, host: Overrides, line: string, plan?: PlanOverrides];

const swapped = "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1 0 -2\n/swapfile file 1 0 -3\n";

const errors: Case[] = [
  [
    "another user",
    { uid: 1000 },
    "NotRoot: nodelet runs as the user with id 1000; expected root (0) => run it with sudo",
  ],
  [
    "another system",
    { os: "darwin" },
    "NotLinux: This host runs darwin; expected linux => use a Linux host with systemd",
  ],
  [
    "another init",
    { files: { "/proc/1/comm": "process_api\n" }, units: "none" },
    'SystemdMissing: systemd does not run on this host: process 1 is "process_api"; expected systemd with /run/systemd/system => use a host that was booted with systemd',
  ],
  [
    "a clock at the epoch",
    { now: 0 },
    'ClockWrong: The clock shows 1970-01-01T00:00:00.000Z; expected a time after 2025-01-01T00:00:00.000Z => set it: timedatectl set-time "YYYY-MM-DD hh:mm:ss"',
  ],
  [
    "swap",
    { files: { "/proc/swaps": swapped } },
    "SwapOn: Swap is on: /dev/sda2, /swapfile; expected none => run swapoff -a and remove it from /etc/fstab, or set --allow-swap",
  ],
  [
    "no memory controller",
    { files: { "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu pids\n" } },
    'CgroupMissing: The kernel has no cgroup controller memory; expected cpu, cpuset, memory, pids => add "cgroup_enable=memory swapaccount=1" to the kernel command line and boot again',
  ],
  [
    "controllers of version 1 that are off",
    {
      files: {
        "/sys/fs/cgroup/cgroup.controllers": undefined,
        "/proc/cgroups":
          "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\ncpu\t1\t1\t1\nmemory\t4\t1\t1\npids\t8\t1\t0\n",
      },
    },
    "CgroupMissing: The kernel has no cgroup controller pids; expected cpu, cpuset, memory, pids => boot a kernel that has it, without cgroup_disable= on its command line",
  ],
  [
    "a module that cannot be loaded",
    { files: { "/lib/modules/6.1.0-1-amd64/modules.dep": "kernel/overlay.ko:\nkernel/nf_conntrack.ko:\n" } },
    "KernelModuleMissing: The kernel has no br_netfilter: none of /proc/sys/net/bridge, /sys/module/br_netfilter exists, and its modules do not list br_netfilter => install the modules of the running kernel (Debian: linux-image-$(uname -r)), or boot a kernel that has it",
  ],
  [
    "a missing sysctl",
    { files: { "/proc/sys/kernel/keys/root_maxkeys": undefined } },
    "SysctlMissing: The kernel has no setting kernel.keys.root_maxkeys; expected /proc/sys/kernel/keys/root_maxkeys => boot a kernel that has it, or give the container that this host is its /proc/sys",
  ],
  [
    "a missing program",
    { missingPrograms: ["iptables"] },
    'ProgramMissing: The program "iptables" is not on this host; expected it in /usr/sbin, /usr/bin, /sbin or /bin => install the package iptables',
  ],
  [
    "a name that is too long",
    {},
    `NodeName: The node's name "${"n".repeat(64)}" has 64 characters; expected at most 63 => set --node-name to another one, or rename the host: hostnamectl set-hostname NAME`,
    { node: { name: "n".repeat(64) } },
  ],
  [
    "a name that is none",
    {},
    'NodeName: The node\'s name "my_host" is no DNS name; expected a-z, 0-9, "-" and "." => set --node-name to another one, or rename the host: hostnamectl set-hostname NAME',
    { node: { name: "my_host" } },
  ],
  [
    "an address of another host",
    {},
    "NodeIpMissing: The node's address 10.9.9.9 is not on this host; expected one of its addresses: 10.88.0.11 (eth0) => set --node-ip to one of them",
    { node: { ip: "10.9.9.9" } },
  ],
  [
    "pods on the host's network",
    {},
    "CidrOverlap: The block of pods 10.88.0.0/16 overlaps a network of this host: 10.88.0.0/24 (eth0); expected a block of its own => set --containers-cidr to a free block, for example 10.20.0.0/16",
    { config: config({ containersCidr: "10.88.0.0/16" }) },
  ],
  [
    "services on a routed network",
    {
      files: {
        "/proc/net/route": "Iface\tDestination\nwg0\t0000150A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
      },
    },
    "CidrOverlap: The block of services 10.21.0.0/16 overlaps a network of this host: 10.21.0.0/16 (wg0); expected a block of its own => set --services-cidr to a free block, for example 10.22.0.0/16",
  ],
];

const warnings: Case[] = [
  [
    "one processor",
    { cpus: 1 },
    "CpusFew: The host has 1 processor; expected at least 2 => give it more, or expect a slow start",
  ],
  [
    "little memory",
    { files: { "/proc/meminfo": "MemTotal:        1048576 kB\n" } },
    "MemoryLow: The host has 1.0 GiB of memory; expected at least 1.7 GiB => give it more, or expect the kernel to end pods when memory is short",
  ],
  [
    "SELinux",
    { files: { "/sys/fs/selinux/enforce": "1" } },
    "SELinuxEnforcing: SELinux is enforcing; expected permissive or disabled, since it may keep containers from their files => run setenforce 0 and set SELINUX=permissive in /etc/selinux/config",
  ],
  [
    "firewalld",
    { units: [{ name: "firewalld.service", load: "loaded", active: true }] },
    "FirewalldActive: firewalld is active; expected it off, or open for the node: TCP 6443 and 10250, and all from pods => run systemctl disable --now firewalld, or firewall-cmd --permanent --add-port=6443/tcp --add-port=10250/tcp, firewall-cmd --permanent --zone=trusted --add-source=10.20.0.0/16 and firewall-cmd --reload",
  ],
  [
    "no conntrack",
    { missingPrograms: ["conntrack"] },
    'ProgramMissed: The program "conntrack" is not on this host: without it UDP services may go on to pods that are gone => install the package conntrack',
  ],
  [
    "no socat",
    { missingPrograms: ["socat"] },
    'ProgramMissed: The program "socat" is not on this host: without it kubectl port-forward does not work => install the package socat',
  ],
];

describe("runPreflight() on the host", () => {
  test("finds nothing on a healthy host", async () => {
    expect(await preflight()).toMatchObject({ errors: [], warnings: [] });
  });

  test.each(errors)("refuses %s", async (_name, host, line, plan) => {
    const { errors, warnings } = await preflight(host, plan);
    expect(lines(errors)).toEqual([line]);
    expect(warnings).toEqual([]);
  });

  test.each(warnings)("warns of %s", async (_name, host, line, plan) => {
    const { errors, warnings } = await preflight(host, plan);
    expect(lines(warnings)).toEqual([line]);
    expect(errors).toEqual([]);
  });

  test("reports everything together, in the order of the table", async () => {
    const host: Overrides = {
      uid: 1000,
      cpus: 1,
      files: { ...cgroupV1, "/proc/swaps": swapped, "/etc/kubernetes/admin.conf": "" },
      listeners: [{ port: 6443 }],
      missingPrograms: ["ip", "socat"],
      engine: { version: "18.09.1", storageDriver: "aufs" },
    };
    const { errors, warnings } = await preflight(host, {
      node: { ip: "10.9.9.9" },
      cluster: { clusterId: "c2", role: "master" },
    });
    expect(errors.map(({ code }) => code)).toEqual([
      "NotRoot",
      "SwapOn",
      "ProgramMissing",
      "DockerTooOld",
      "NodeIpMissing",
      "PortInUse",
      "ClusterMismatch",
      "KubeadmLeftovers",
    ]);
    expect(warnings.map(({ code }) => code)).toEqual(["CpusFew", "ProgramMissed", "StorageDriver"]);
  });

  test("takes swap where it is allowed", async () => {
    const { errors } = await preflight(
      { files: { "/proc/swaps": swapped } },
      { config: config({ allowSwap: true }) },
    );
    expect(errors).toEqual([]);
  });

  describe("on an installed node", () => {
    const pods = "cni0\t0000140A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const services = "eth0\t0000150A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    const errorsWith = async (routes: string, installed: boolean) => {
      const files = { "/proc/net/route": `Iface\tDestination\n${routes}` };
      return (await preflight({ files }, { installed })).errors.map(({ code }) => code);
    };

    test("takes the networks of Docker, of its own pods, and its route to services", async () => {
      expect(await errorsWith(pods + services, true)).toEqual([]);
      expect(await errorsWith(services, false)).toEqual(["CidrOverlap"]);
    });

    test("refuses the services' block where it is another network's all the same", async () => {
      expect(await errorsWith(services.replace("eth0", "wg0"), true)).toEqual(["CidrOverlap"]);
    });
  });
});
