import { describe, expect, test } from "bun:test";
import {
  bundle,
  config,
  entriesWithRuntime,
  lines,
  type Overrides,
  type PlanOverrides,
  preflight,
} from "./fakes.ts";

type Case = [name: string, host: Overrides, line: string, plan?: PlanOverrides];

const GIB = 2 ** 30;
const mounts = (...rows: string[]) => ({
  files: { "/proc/mounts": ["/dev/vda1 / ext4 rw,relatime 0 0", ...rows, ""].join("\n") },
});

const errors: Case[] = [
  [
    "the engine's data on another machine",
    mounts("nas:/a /var/lib/docker nfs4 rw 0 0"),
    '"/var/lib/docker" (the engine\'s data) is on /var/lib/docker, a file system of the type nfs4, whose files are not this host\'s own; expected a disk with ext4 or xfs => set "data-root" in /etc/docker/daemon.json to a directory on a disk, or mount one there',
  ],
  [
    "etcd's data in memory",
    mounts("none /var/opt/pf9/etcd tmpfs rw 0 0"),
    '"/var/opt/pf9/etcd/data" (etcd\'s data) is on /var/opt/pf9/etcd, a file system of the type tmpfs, which is empty after the next boot; expected a disk with ext4 or xfs => set --etcd-data-dir to a directory on a disk, or mount one there',
  ],
  [
    "etcd's data behind a link to another machine",
    { ...mounts("sshfs /far fuse.sshfs rw 0 0"), links: { "/var/opt/pf9/etcd/data": "/far/etcd" } },
    "\"/var/opt/pf9/etcd/data\" (etcd's data) is on /far, a file system of the type fuse.sshfs, whose files are not this host's own; expected a disk with ext4 or xfs => set --etcd-data-dir to a directory on a disk, or mount one there",
  ],
].map(([name, host, rest]) => [name, host, `DataFileSystem: ${String(rest)}`] as Case);

const more: Case[] = [
  [
    "a kubelet's directory that cannot be written",
    mounts("/dev/vdb /var/lib/kubelet ext4 ro 0 0"),
    'MountOptions: "/var/lib/kubelet" is on /var/lib/kubelet, which is mounted ro; expected rw => run mount -o remount,rw /var/lib/kubelet and change it in /etc/fstab',
  ],
  [
    "an /etc that is mounted read-only",
    { ...mounts("/dev/vdb /etc ext4 ro 0 0"), unwritable: ["/etc/pf9"] },
    'NotWritable: "/etc/pf9" cannot be written: /etc is mounted read-only; expected a place that init can write to => run mount -o remount,rw /etc and change it in /etc/fstab, or mount a writable file system on /etc/pf9',
  ],
  [
    "a directory that is immutable",
    { unwritable: ["/etc/systemd/system"] },
    'NotWritable: "/etc/systemd/system" cannot be written, not even by root; expected a place that init can write to => it, or the directory above it, is immutable: see lsattr -d /etc/systemd/system, and run chattr -i on it',
  ],
  [
    "a disk at the kubelet's limit",
    { free: { "/": 12 * GIB }, total: 100 * GIB },
    "DiskFull: The file system of /var/lib/docker is 88 % full (12.0 GiB of 100.0 GiB free); expected less than 85 %: from 85 % on the kubelet ends pods => make room for 8.0 GiB: docker system prune, journalctl --vacuum-size=200M, or a larger file system",
  ],
];

const warnings: Case[] = [
  [
    "images without setuid programs",
    mounts("/dev/vdb /var/lib/docker ext4 rw,nosuid,nodev 0 0"),
    'MountLimits: "/var/lib/docker" is on /var/lib/docker, which is mounted nosuid,nodev; expected suid,dev => run mount -o remount,suid,dev /var/lib/docker and change it in /etc/fstab',
  ],
  [
    "a disk that fills up",
    { free: { "/": 18 * GIB }, total: 100 * GIB },
    "DiskUsage: The file system of /var/lib/docker is 82 % full (18.0 GiB of 100.0 GiB free); expected less than 80 %: from 85 % on the kubelet ends pods => make room for 2.0 GiB: docker system prune, journalctl --vacuum-size=200M, or a larger file system",
  ],
  [
    "less room than the checklist wants",
    { free: { "/": 6 * GIB }, total: 8 * GIB },
    "StorageChecklist: The file system of /var/lib/docker has 6.0 GiB free; the storage checklist wants 11.0 GiB: 10.0 GiB for the engine in /var/lib/docker, 1.0 GiB for etcd in /var/opt/pf9/etcd/data => give it 5.0 GiB more, or set --storage-checklist to the sizes that do here",
  ],
  [
    "less room than the site's own checklist wants",
    { free: { "/srv": 30 * GIB }, total: 40 * GIB },
    "StorageChecklist: The file system of /srv/app has 30.0 GiB free; the storage checklist wants 40.0 GiB: 40.0 GiB for data in /srv/app => give it 10.0 GiB more, or set --storage-checklist to the sizes that do here",
    { config: config({ storageChecklist: "/srv/app=40" }) },
  ],
  [
    "a slow disk",
    {
      writes: [
        [2, 97],
        [31.25, 3],
      ],
    },
    "DiskSlow: Small synced writes at /var/opt/pf9/etcd/data take 31.3 ms (99th percentile of 100); expected at most 10 ms: the API will be slow under load => set --etcd-data-dir to a directory on an SSD that nothing else writes to, or end what keeps this disk busy",
    { looking: true },
  ],
  [
    "a disk that takes longer than a heartbeat",
    { writes: [[250, 4]] },
    "DiskSlow: Small synced writes at /var/opt/pf9/etcd/data take 250.0 ms (99th percentile of 4); expected at most 10 ms: the API will be slow, and a cluster of several masters would lose its leader again and again => set --etcd-data-dir to a directory on an SSD that nothing else writes to, or end what keeps this disk busy",
    { looking: true },
  ],
];

describe("runPreflight() on disks", () => {
  test.each([...errors, ...more])("refuses %s", async (_name, host, line, plan) => {
    const report = await preflight(host, plan);
    expect([lines(report.errors), report.warnings]).toEqual([[line], []]);
  });

  test.each(warnings)("warns of %s", async (_name, host, line, plan) => {
    const report = await preflight(host, plan);
    expect([report.errors, lines(report.warnings)]).toEqual([[], [line]]);
  });

  test.each<[string, Overrides, PlanOverrides?]>([
    [
      "a link to a disk elsewhere",
      { ...mounts("/dev/vdb /data ext4 rw 0 0"), links: { "/var/lib/docker": "/data/docker" } },
    ],
    [
      "one write in a hundred that is slow",
      {
        writes: [
          [1, 99],
          [80, 1],
        ],
      },
    ],
    [
      "memory for a worker's etcd, which it has not",
      mounts("none /var/opt/pf9/etcd tmpfs rw 0 0"),
      { config: config({ role: "worker" }) },
    ],
    [
      "a full disk where the operator says when to act",
      { free: { "/": 12 * GIB }, total: 20 * GIB },
      { config: config({ kubeletFlags: ["--eviction-hard=nodefs.available<1%"] }) },
    ],
    [
      "sizes that are turned off",
      { free: { "/": 2 * GIB }, total: 4 * GIB },
      { config: config({ storageChecklist: "/var/lib/docker=0,/var/opt/pf9/etcd/data=0" }) },
    ],
  ])("takes %s", async (_name, host, plan) => {
    expect(await preflight(host, plan)).toMatchObject({ errors: [], warnings: [], unseen: [] });
  });

  test("counts the bundle's own engine, where it will keep its files and its data", async () => {
    const host: Overrides = {
      units: [{ name: "docker.service", load: "not-found", active: false, mainPid: 0 }],
      engine: "none",
      free: { "/": GIB },
      total: 4 * GIB,
    };
    const plan = {
      node: { runtime: "bundled" as const },
      bundle: bundle({ entries: entriesWithRuntime(), damage: () => [] }),
    };
    const { errors } = await preflight(host, plan);
    expect(errors.map(({ message }) => message)).toEqual([
      "The file system of /var/opt/pf9/docker has 1.0 GiB free; expected 1.5 GiB: 940 MiB for images in /var/opt/pf9/docker, 120 MiB for the container runtime in /opt/pf9, 512 MiB for etcd's data in /var/opt/pf9/etcd/data",
    ]);
    // Beside a Docker of the host it is not installed.
    const beside = await preflight({ free: { "/": GIB }, total: 4 * GIB }, { bundle: plan.bundle });
    expect(beside.errors).toEqual([]);
  });

  test("only warns of a full disk on a node that runs", async () => {
    const report = await preflight({ free: { "/": 5 * GIB }, total: 100 * GIB }, { installed: true });
    expect([report.errors, report.warnings.map(({ code }) => code)]).toEqual([[], ["DiskUsage"]]);
  });

  test("leaves the disk unmeasured when init follows, which would go on anyway", async () => {
    const { warnings, passed } = await preflight({ writes: [[50, 100]] });
    expect(warnings).toEqual([]);
    expect(passed.map(({ code }) => code)).not.toContain("DiskSlow");
  });

  test("says that nothing could be written where etcd is to be", async () => {
    const { unseen } = await preflight({ writes: "none" }, { looking: true });
    expect(unseen.map(({ code, reason }) => [code, reason])).toEqual([
      ["DiskSlow", "nothing could be written at /var/opt/pf9/etcd/data"],
    ]);
  });
});
