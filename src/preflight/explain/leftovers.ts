import type { Explanations } from "./explanation.ts";

/** Traces of other clusters and of earlier nodes. */
export const leftovers: Explanations = {
  ClusterMismatch: {
    checked: "/var/opt/pf9/nodelet/cluster.json, which init wrote earlier: same cluster id and role.",
    why: "Certificates, etcd's data and names of the other cluster are still here; mixed, neither works.",
    ways: [
      ["Undo the earlier node: nodelet reset.", "Run init again."],
      ["Name the cluster that the host is a node of: --cluster-id, or leave it out."],
    ],
  },
  KubeadmLeftovers: {
    checked: "Manifests in /etc/kubernetes/manifests and *.conf in /etc/kubernetes.",
    why: "A kubelet of kubeadm that is started again runs that control plane beside this one.",
    ways: [["kubeadm reset -f"], ["Keep them elsewhere: mv /etc/kubernetes /etc/kubernetes.old."]],
  },
  ForeignCluster: {
    checked: "Active units of kubeadm's kubelet, k3s, RKE2, k0s and MicroK8s.",
    why: "Two kubelets on one host end each other's containers and take each other's ports.",
    ways: [["Remove that distribution with the command that the finding names."], ["Use another host."]],
  },
  ContainerNameTaken: {
    checked: "Containers called etcd or proxy that nodelet did not make.",
    why: "These are the names of nodelet's own containers, and it removes nothing that it did not make.",
    ways: [["docker rename NAME NAME-old"], ["docker rm -f NAME, when nobody needs it."]],
  },
  PodContainers: {
    checked: "Containers whose names begin with k8s_ on a host that is no node yet.",
    why: "They belong to a kubelet that is gone: a new one would end them, or take them for its own.",
    ways: [["docker ps -aq --filter name=k8s_ | xargs docker rm -f"]],
  },
  ForeignPods: {
    checked: "Tasks in containerd's namespace k8s.io, below /run/containerd.",
    why: "Another kubelet has pods here. They hold ports and addresses, and nobody of this node can see them.",
    ways: [
      [
        "Reset that cluster: kubeadm reset -f, or its own command.",
        "Look again: ctr -n k8s.io containers list.",
      ],
      ["crictl rmp -fa"],
    ],
  },
  CrioActive: {
    checked: "Whether crio.service is active.",
    why: "Only Kubernetes uses it, and this node does not: it is left from another one, which may still be there.",
    ways: [["systemctl disable --now crio, when nobody needs it."]],
  },
  ClusterLeftovers: {
    checked:
      "/var/lib/rancher/k3s, /var/lib/rancher/rke2, /var/lib/k0s and /var/snap/microk8s with something in them.",
    why: "Their units are stopped, and the next boot or anybody may start them again, beside this node.",
    ways: [
      ["Remove that distribution with the command that the finding names."],
      ["Move the directory away when only its data is left."],
    ],
  },
  KubeletLeftovers: {
    checked: "/var/lib/kubelet on a host that is no node yet; expected nothing in it.",
    why: "State of an earlier kubelet, cpu_manager_state for example, can keep a new one from starting, and mounts of old pods are taken for this node's.",
    ways: [
      ["Look for mounts: grep /var/lib/kubelet /proc/mounts, and umount each.", "rm -r /var/lib/kubelet/*"],
      ["Move it away: mv /var/lib/kubelet /var/lib/kubelet.old."],
    ],
  },
  EtcdLeftovers: {
    checked: "The directory of etcd's data on a host that is no node yet; expected nothing in it.",
    why: "A member that is started on another one's data joins that one's cluster, or brings back its objects.",
    ways: [["mv DIRECTORY DIRECTORY.old"], ["Use another directory: --etcd-data-dir."]],
  },
  DistroEtcdData: {
    checked: "/var/lib/etcd, where the distribution's etcd keeps its data.",
    why: "It does no harm: this node does not use it. But somebody had an etcd here.",
    ways: [["rm -r /var/lib/etcd, when nobody needs it."], ["Leave it."]],
  },
};
