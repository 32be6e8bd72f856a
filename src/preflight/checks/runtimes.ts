import { paths } from "../../paths.ts";
import type { Check } from "../check.ts";
import { needsRoot } from "../check.ts";
import { FOREIGN_DIRS } from "../look/leftovers.ts";

/** Two kubelets on one host end each other's containers and take each other's ports. */
export const foreignPods: Check = {
  code: "ForeignPods",
  level: "error",
  title: "containerd runs no pods",
  unseen: needsRoot,
  run({ facts }) {
    const { length } = facts.containerdPods;
    if (length === 0) return [];
    return [
      {
        message: `containerd runs ${length} container${length === 1 ? "" : "s"} of another kubelet (its namespace k8s.io); expected none`,
        hint: "reset that cluster first (kubeadm reset -f), or remove them: crictl rmp -fa",
      },
    ];
  },
};

/** A runtime that only Kubernetes uses. */
export const crioActive: Check = {
  code: "CrioActive",
  level: "warning",
  title: "CRI-O does not run",
  run: ({ facts }) =>
    facts.activeUnits?.has("crio.service")
      ? [
          {
            message:
              "CRI-O is active: the runtime of another Kubernetes, which this node does not use; expected it off",
            hint: "if nobody needs it, run systemctl disable --now crio",
          },
        ]
      : [],
};

/** A snap may see only some directories of the host, and ours are not among them. */
export const dockerSnap: Check = {
  code: "DockerSnap",
  level: "error",
  title: "Docker is not a snap",
  run: ({ facts }) =>
    facts.dockerSnap
      ? [
          {
            message:
              "Docker is installed as a snap, which keeps it from /etc/pf9 and /opt/pf9; expected a package, or none",
            hint: "run snap remove --purge docker, which removes its containers and images",
          },
        ]
      : [],
};

/** Their units may be started again by anybody, or by the next boot. */
export const clusterLeftovers: Check = {
  code: "ClusterLeftovers",
  level: "warning",
  title: "there is no data of other distributions of Kubernetes",
  run: ({ facts }) =>
    FOREIGN_DIRS.filter(({ path }) => facts.foreignDirs.includes(path)).map(({ path, of, remove }) => ({
      message: `There are leftovers of ${of} in ${path}; expected none`,
      hint: `remove them: ${remove}`,
    })),
};

/** State of a kubelet that was here before can keep ours from starting. */
export const kubeletLeftovers: Check = {
  code: "KubeletLeftovers",
  level: "warning",
  title: "the kubelet's directory is empty",
  run({ facts, installed }) {
    if (installed || facts.kubeletFiles.length === 0) return [];
    const shown = facts.kubeletFiles.slice(0, 5).join(", ");
    const more = facts.kubeletFiles.length > 5 ? " and more" : "";
    return [
      {
        message: `"${paths.kubeletDir}" holds ${shown}${more} of an earlier kubelet; expected an empty directory`,
        hint: `if nobody needs it, end what is mounted there (grep ${paths.kubeletDir} /proc/mounts; umount) and run rm -r ${paths.kubeletDir}/*`,
      },
    ];
  },
};
