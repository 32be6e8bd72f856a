/** Places on a node. All are absolute; a host puts them under its root. */
export const paths = {
  configDir: "/etc/pf9/nodelet",
  /** Flags that `init` was given, so that later commands see the same configuration. Last by name: flags win. */
  initFlags: "/etc/pf9/nodelet/zz-init-flags.yaml",
  kubeEnv: "/etc/pf9/kube.env",
  kubeDir: "/etc/pf9/kube.d",
  certs: "/etc/pf9/kube.d/certs",
  kubeconfigs: "/etc/pf9/kube.d/kubeconfigs",
  manifests: "/etc/pf9/kube.d/manifests",
  /** Encryption, audit, kube-proxy and kubelet configuration. */
  configs: "/etc/pf9/kube.d/configs",
  stateDir: "/var/opt/pf9/nodelet",
  /** Which cluster and role this host has. */
  cluster: "/var/opt/pf9/nodelet/cluster.json",
  /** The last operation of each phase. */
  phases: "/var/opt/pf9/nodelet/phases.json",
  /** Index of the bundle that this node was made from. */
  installedIndex: "/opt/pf9/nodelet/index.json",
  dynamicKubeletConfig: "/var/opt/pf9/kube/kubelet-config/dynamic-config",
  logDir: "/var/log/pf9/kube",
  kubeLog: "/var/log/pf9/kube/kube.log",
  auditDir: "/var/log/pf9/kube/audit",
  binDir: "/opt/pf9/bin",
  cniBinDir: "/opt/cni/bin",
  cniConfDir: "/etc/cni/net.d",
  kubeletDir: "/var/lib/kubelet",
  kubeletUnit: "/etc/systemd/system/pf9-kubelet.service",
  daemonJson: "/etc/docker/daemon.json",
  lock: "/run/nodelet.lock",
} as const;
