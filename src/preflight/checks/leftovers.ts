import type { Check } from "../check.ts";
import { needsEngine, needsRoot, setting } from "../check.ts";
import { DISTRO_ETCD_DIR } from "../look/leftovers.ts";
import { isOwnContainer, isPodContainer } from "../ours.ts";

/** Units of other distributions, and the command that removes each of them. */
const OTHERS: readonly { unit: string; remove: string }[] = [
  { unit: "kubelet.service", remove: "kubeadm reset -f, then systemctl disable --now kubelet.service" },
  { unit: "k3s.service", remove: "k3s-uninstall.sh" },
  { unit: "k3s-agent.service", remove: "k3s-agent-uninstall.sh" },
  { unit: "rke2-server.service", remove: "rke2-uninstall.sh" },
  { unit: "rke2-agent.service", remove: "rke2-uninstall.sh" },
  { unit: "k0scontroller.service", remove: "k0s stop, then k0s reset" },
  { unit: "k0sworker.service", remove: "k0s stop, then k0s reset" },
  { unit: "snap.microk8s.daemon-kubelite.service", remove: "snap remove microk8s" },
];

/** Names of the containers that nodelet runs. */
const OUR_NAMES = ["etcd", "balancer", "proxy", "keepalived", "flannel"];

/** The host may be a node of one cluster only. */
export const clusterMismatch: Check = {
  code: "ClusterMismatch",
  level: "error",
  title: "the host is no node of another cluster of nodelet",
  run({ cluster, node, config }) {
    if (!cluster) return [];
    const found = `This host is a ${cluster.role} of the cluster ${cluster.clusterId}`;
    const same = cluster.clusterId === node.clusterId && cluster.role === config.role;
    if (same) return [];
    return [
      {
        message: `${found}; the configuration makes it a ${config.role} of ${node.clusterId}`,
        hint: "run nodelet reset first",
      },
    ];
  },
};

/** Files that a kubelet of kubeadm would start from. */
export const kubeadmLeftovers: Check = {
  code: "KubeadmLeftovers",
  level: "error",
  title: "there are no files of kubeadm",
  run: ({ facts }) =>
    facts.kubeadmFiles.length === 0
      ? []
      : [
          {
            message: `There are leftovers of a cluster made by kubeadm: ${facts.kubeadmFiles.join(", ")}; expected none`,
            hint: "run kubeadm reset -f, or move them away: mv /etc/kubernetes /etc/kubernetes.old",
          },
        ],
};

/** Two kubelets on one host undo each other's work. */
export const foreignCluster: Check = {
  code: "ForeignCluster",
  level: "error",
  title: "no other Kubernetes runs",
  run: ({ facts }) =>
    OTHERS.filter(({ unit }) => facts.units?.get(unit)?.active).map(({ unit, remove }) => ({
      message: `Another Kubernetes runs on this host: the unit ${unit} is active; expected none`,
      hint: `remove it: ${remove}`,
    })),
};

/** nodelet would have to remove what it did not make. */
export const containerNameTaken: Check = {
  code: "ContainerNameTaken",
  level: "error",
  title: "the names of our containers are free",
  unseen: needsEngine,
  run({ facts }) {
    const taken =
      facts.engine?.containers.filter((one) => OUR_NAMES.includes(one.name) && !isOwnContainer(one)) ?? [];
    return taken.map(({ name, id }) => ({
      message: `The container "${name}" (${id.slice(0, 12)}) is not one of nodelet's; expected the name to be free`,
      hint: `rename it (docker rename ${name} ${name}-old) or remove it (docker rm -f ${name})`,
    }));
  },
};

/** Pods of a kubelet that is gone. */
export const podContainers: Check = {
  code: "PodContainers",
  level: "error",
  title: "there are no containers of another kubelet",
  unseen: needsEngine,
  run({ facts, installed }) {
    const pods = installed ? [] : (facts.engine?.containers.filter(isPodContainer) ?? []);
    if (pods.length === 0) return [];
    const shown = pods
      .slice(0, 3)
      .map(({ name }) => name)
      .join(", ");
    const more = pods.length > 3 ? ` and ${pods.length - 3} more` : "";
    return [
      {
        message: `There are containers of another cluster's kubelet: ${shown}${more}; expected none`,
        hint: "remove them: docker ps -aq --filter name=k8s_ | xargs docker rm -f",
      },
    ];
  },
};

/** A member that is started on the data of another one joins that one's cluster. */
export const etcdLeftovers: Check = {
  code: "EtcdLeftovers",
  level: "error",
  title: "the directory of etcd's data is empty",
  applies: ({ config }) => config.role === "master",
  unseen: needsRoot,
  run({ facts, config, installed }) {
    if (installed || facts.etcdData.length === 0) return [];
    const dir = config.etcdDataDir;
    return [
      {
        message: `There are leftovers of another cluster: "${dir}" holds ${facts.etcdData.join(", ")}; expected an empty directory`,
        hint: `move it away: mv ${dir} ${dir}.old, or ${setting("etcdDataDir")} to another directory`,
      },
    ];
  },
};

/** Does no harm, but says that there was an etcd before. */
export const distroEtcdData: Check = {
  code: "DistroEtcdData",
  level: "warning",
  title: "there is no etcd of the distribution",
  run({ facts, config }) {
    if (facts.distroEtcdData.length === 0 || config.etcdDataDir === DISTRO_ETCD_DIR) return [];
    return [
      {
        message: `"${DISTRO_ETCD_DIR}" holds ${facts.distroEtcdData.join(", ")}: data of another etcd, which this node does not use`,
        hint: `if nobody needs it, remove it: rm -r ${DISTRO_ETCD_DIR}`,
      },
    ];
  },
};
