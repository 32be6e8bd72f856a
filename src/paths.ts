/** Places on a node. All are absolute; a host puts them under its root. */
export const paths = {
  configDir: "/etc/pf9/nodelet",
  /** Flags that `init` was given, so that later commands see the same configuration. Last by name: flags win. */
  initFlags: "/etc/pf9/nodelet/zz-init-flags.yaml",
  /** Phases that a site adds. */
  sitePhases: "/etc/pf9/nodelet/phases.d",
  kubeEnv: "/etc/pf9/kube.env",
  /** Variables that win over the configuration. */
  kubeOverride: "/etc/pf9/kube_override.env",
  kubeDir: "/etc/pf9/kube.d",
  certs: "/etc/pf9/kube.d/certs",
  kubeconfigs: "/etc/pf9/kube.d/kubeconfigs",
  manifests: "/etc/pf9/kube.d/manifests",
  /** Encryption, audit, kube-proxy and kubelet configuration. */
  configs: "/etc/pf9/kube.d/configs",
  /** All that the container of the load balancer sees. */
  balancer: "/etc/pf9/kube.d/configs/balancer",
  /** All that the container of keepalived sees. */
  keepalived: "/etc/pf9/kube.d/configs/keepalived",
  stateDir: "/var/opt/pf9/nodelet",
  /** Which cluster and role this host has. */
  cluster: "/var/opt/pf9/nodelet/cluster.json",
  /** The other nodes of the cluster. @see src/peers.ts */
  peers: "/var/opt/pf9/nodelet/peers.json",
  /** There when this node was taken out of its cluster. @see src/daemon/removed.ts */
  removed: "/var/opt/pf9/nodelet/removed.json",
  /** Which etcd member this master is, and whom it joined. */
  etcdMember: "/var/opt/pf9/nodelet/etcd-member.json",
  /** There when the other masters once had this one among the peers of their keepalived. @see src/join/listed.ts */
  keepalivedListed: "/var/opt/pf9/nodelet/keepalived-listed",
  /** The last operation of each phase. */
  phases: "/var/opt/pf9/nodelet/phases.json",
  /** Phases that an operator stopped by hand. */
  held: "/var/opt/pf9/nodelet/held.json",
  /** What nodelet last brought about on this host, for noticing what others change. */
  declared: "/var/opt/pf9/nodelet/declared.json",
  /** The configuration that is in force: the last one that was valid. */
  appliedConfig: "/var/opt/pf9/nodelet/applied.yaml",
  /** What happened last, for `nodelet status`. */
  events: "/var/opt/pf9/nodelet/events.json",
  /** The health document. */
  kubeStatus: "/var/opt/pf9/kube_status",
  /** The program as the daemon runs it. */
  program: "/opt/pf9/nodelet/nodeletd",
  daemonUnit: "/etc/systemd/system/pf9-nodeletd.service",
  /** Made by the daemon's unit, gone with it. */
  runDir: "/run/nodelet",
  daemonLock: "/run/nodelet/nodeletd.lock",
  daemonSocket: "/run/nodelet/nodeletd.sock",
  /** Touched by the kubelet's unit whenever the kubelet ends. */
  kubeletEnded: "/run/nodelet/kubelet-ended",
  /** The bundle that this node was made from, when it came as a file of its own. */
  installedBundle: "/opt/pf9/nodelet/bundle",
  /** What of it is not on this node, when it was streamed. */
  bundleGaps: "/opt/pf9/nodelet/bundle.gaps",
  /** The same while it is streamed. */
  partialBundle: "/opt/pf9/nodelet/bundle.partial",
  /** Index of the bundle that this node was made from. */
  installedIndex: "/opt/pf9/nodelet/index.json",
  dynamicKubeletConfig: "/var/opt/pf9/kube/kubelet-config/dynamic-config",
  /** Where a site puts its flexvolume drivers. */
  volumePlugins: "/var/opt/pf9/kube/volume-plugins",
  logDir: "/var/log/pf9/kube",
  kubeLog: "/var/log/pf9/kube/kube.log",
  auditDir: "/var/log/pf9/kube/audit",
  binDir: "/opt/pf9/bin",
  cniBinDir: "/opt/cni/bin",
  cniConfDir: "/etc/cni/net.d",
  kubeletDir: "/var/lib/kubelet",
  kubeletUnit: "/etc/systemd/system/pf9-kubelet.service",
  daemonJson: "/etc/docker/daemon.json",
  /** Unit of the container engine that nodelet brings. */
  engineUnit: "/etc/systemd/system/pf9-docker.service",
  /** Where files of the bundle's container runtime go: `bin` and `lib`. */
  runtimeDir: "/opt/pf9",
  lock: "/run/nodelet.lock",
} as const;
