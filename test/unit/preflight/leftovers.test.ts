import { describe, expect, test } from "bun:test";
import type { BundleEntry } from "../../../src/bundle/index-format.ts";
import {
  bundle,
  config,
  entries,
  installedSizes,
  lines,
  type Overrides,
  type PlanOverrides,
  preflight,
} from "./fakes.ts";

type Case = [name: string, host: Overrides, line: string, plan?: PlanOverrides];

const GIB = 2 ** 30;

const errors: Case[] = [
  [
    "another cluster's record",
    {},
    "ClusterMismatch: This host is a master of the cluster c0; the configuration makes it a master of c1 => run nodelet reset first",
    { installed: true, cluster: { clusterId: "c0", role: "master" } },
  ],
  [
    "another role's record",
    {},
    "ClusterMismatch: This host is a worker of the cluster c1; the configuration makes it a master of c1 => run nodelet reset first",
    { installed: true, cluster: { clusterId: "c1", role: "worker" } },
  ],
  [
    "files of kubeadm",
    {
      files: {
        "/etc/kubernetes/manifests/etcd.yaml": "",
        "/etc/kubernetes/admin.conf": "",
        "/etc/kubernetes/manifests/.keep": "",
      },
    },
    "KubeadmLeftovers: There are leftovers of a cluster made by kubeadm: /etc/kubernetes/manifests/etcd.yaml, /etc/kubernetes/admin.conf; expected none => run kubeadm reset -f, or move them away: mv /etc/kubernetes /etc/kubernetes.old",
  ],
  [
    "k3s",
    { units: [{ name: "k3s.service", load: "loaded", active: true }] },
    "ForeignCluster: Another Kubernetes runs on this host: the unit k3s.service is active; expected none => remove it: k3s-uninstall.sh",
  ],
  [
    "etcd's data",
    { files: { "/var/opt/pf9/etcd/data/member": "" } },
    'EtcdLeftovers: There are leftovers of another cluster: "/var/opt/pf9/etcd/data" holds member; expected an empty directory => move it away: mv /var/opt/pf9/etcd/data /var/opt/pf9/etcd/data.old, or set --etcd-data-dir to another directory',
  ],
  [
    "a full file system",
    { engine: { images: [] }, free: { "/var": GIB }, total: 4 * GIB },
    "SpaceLow: The file system of /var/lib/docker has 1.0 GiB free; expected 1.4 GiB: 940 MiB for images in /var/lib/docker, 512 MiB for etcd's data in /var/opt/pf9/etcd/data => make room for 428 MiB more there: docker image prune, or a larger file system",
    { bundle: bundle({ damage: () => [] }) },
  ],
  [
    "a full file system of a worker, which has no control plane",
    { engine: { images: [] }, free: { "/var": GIB / 8 }, total: GIB / 6 },
    "SpaceLow: The file system of /var/lib/docker has 128 MiB free; expected 460 MiB: 460 MiB for images in /var/lib/docker => make room for 332 MiB more there: docker image prune, or a larger file system",
    { config: config({ role: "worker" }), bundle: bundle({ damage: () => [] }) },
  ],
  [
    "a file system without programs",
    {
      files: {
        "/proc/mounts":
          "/dev/vda1 / ext4 rw 0 0\n/dev/vdb /opt ext4 rw,nosuid,noexec 0 0\n/dev/vdb /opt/cni ext4 rw 0 0\n",
      },
    },
    'MountOptions: "/opt/pf9/bin" is on /opt, which is mounted noexec; expected exec => run mount -o remount,exec /opt and change it in /etc/fstab',
  ],
  [
    "a bundle that is not at hand",
    { sizes: { ...installedSizes, "/opt/pf9/bin/kubelet": 7 } },
    'BundleNotAtHand: The bundle "kubernetes-1.20.2" is not at hand, and this host lacks of it: kubelet => name it with --bundle FILE',
  ],
  [
    "a bundle for another platform",
    {},
    'BundlePlatform: Bundle "kubernetes-1.20.2" is for linux/arm64; this host is linux/amd64 => use the bundle made for this platform',
    { bundle: bundle({ platform: "linux/arm64" }) },
  ],
  [
    "a bundle without etcd",
    {},
    'BundleIncomplete: Bundle "kubernetes-1.20.2" has no image "etcd" => make the bundle again',
    { bundle: bundle({ entries: entries().filter(({ name }) => name !== "etcd") }) },
  ],
];

describe("runPreflight() on what is there", () => {
  test.each(errors)("refuses %s", async (_name, host, line, plan) => {
    expect(lines((await preflight(host, plan)).errors)).toEqual([line]);
  });

  test("warns of the data of the distribution's etcd", async () => {
    const { errors, warnings } = await preflight({ files: { "/var/lib/etcd/default/member": "" } });
    expect(errors).toEqual([]);
    expect(lines(warnings)).toEqual([
      'DistroEtcdData: "/var/lib/etcd" holds default: data of another etcd, which this node does not use => if nobody needs it, remove it: rm -r /var/lib/etcd',
    ]);
  });

  test("has only that of a bundle checked which the host has not got", async () => {
    const sizes = { ...installedSizes, "/opt/cni/bin/bridge": 1 };
    const damage = (checked: readonly BundleEntry[]) =>
      checked.map(({ name }) => ({ code: "BundleDamaged", message: name, hint: "copy it again" }));
    const { errors } = await preflight({ sizes }, { bundle: bundle({ damage }) });
    expect(lines(errors)).toEqual(["BundleDamaged: bridge => copy it again"]);
  });

  test("takes its own data and record on an installed node", async () => {
    const host = { files: { "/var/opt/pf9/etcd/data/member": "" } };
    const report = await preflight(host, { installed: true, cluster: { clusterId: "c1", role: "master" } });
    expect(report).toMatchObject({ errors: [], warnings: [] });
  });

  test("takes a CA that the user has put there", async () => {
    expect((await preflight({ files: { "/etc/pf9/kube.d/certs/ca.crt": "" } })).errors).toEqual([]);
  });

  test("leaves etcd's data to masters", async () => {
    const host = { files: { "/var/opt/pf9/etcd/data/member": "" } };
    expect((await preflight(host, { config: config({ role: "worker" }) })).errors).toEqual([]);
  });
});
