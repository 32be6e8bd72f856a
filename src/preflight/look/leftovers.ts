import { paths } from "../../paths.ts";
import type { Plan } from "../check.ts";
import type { HostProbe } from "../probe.ts";

/** Where etcd's own package keeps its data. */
export const DISTRO_ETCD_DIR = "/var/lib/etcd";

/** Where containerd keeps the tasks that a kubelet asked it for. */
const CONTAINERD_PODS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/** Directories of other distributions, which stay when only their units were stopped. */
export const FOREIGN_DIRS: readonly { path: string; of: string; remove: string }[] = [
  { path: "/var/lib/rancher/k3s", of: "k3s", remove: "k3s-uninstall.sh or k3s-agent-uninstall.sh" },
  { path: "/var/lib/rancher/rke2", of: "RKE2", remove: "rke2-uninstall.sh" },
  { path: "/var/lib/k0s", of: "k0s", remove: "k0s reset" },
  { path: "/var/snap/microk8s", of: "MicroK8s", remove: "snap remove --purge microk8s" },
];

/** What others left on the host. */
export interface LeftoverFacts {
  /** Manifests and kubeconfigs of kubeadm. */
  kubeadmFiles: readonly string[];
  etcdData: readonly string[];
  distroEtcdData: readonly string[];
  kubeletFiles: readonly string[];
  /** Paths of {@linkcode FOREIGN_DIRS} that have something in them. */
  foreignDirs: readonly string[];
  /** Ids of containers that containerd runs for a kubelet. */
  containerdPods: readonly string[];
  /** Docker was installed as a snap. */
  dockerSnap: boolean;
}

/** Looks for traces of other clusters. */
export async function lookForLeftovers(probe: HostProbe, { config }: Plan): Promise<LeftoverFacts> {
  const [manifests, kubernetes, etcdData, distroEtcdData, kubeletFiles, containerdPods, dockerSnap, foreign] =
    await Promise.all([
      probe.list("/etc/kubernetes/manifests"),
      probe.list("/etc/kubernetes"),
      probe.list(config.etcdDataDir),
      probe.list(DISTRO_ETCD_DIR),
      probe.list(paths.kubeletDir),
      probe.list(CONTAINERD_PODS),
      probe.pathExists("/var/snap/docker"),
      Promise.all(FOREIGN_DIRS.map(({ path }) => probe.list(path))),
    ]);
  const kubeadmFiles = [
    ...manifests.filter((name) => /\.ya?ml$/.test(name)).map((name) => `/etc/kubernetes/manifests/${name}`),
    ...kubernetes.filter((name) => name.endsWith(".conf")).map((name) => `/etc/kubernetes/${name}`),
  ];
  return {
    kubeadmFiles,
    etcdData,
    distroEtcdData,
    // A file system of its own has this one.
    kubeletFiles: kubeletFiles.filter((name) => name !== "lost+found"),
    foreignDirs: FOREIGN_DIRS.filter((_, at) => (foreign[at] ?? []).length > 0).map(({ path }) => path),
    containerdPods,
    dockerSnap,
  };
}
