/** Something that the kernel must be able to do. */
export interface KernelFeature {
  /** For messages. */
  name: string;
  /** Any of these paths exists when the kernel has it, as a module or built in. */
  proofs: readonly string[];
  /** Modules that bring it; one is enough. */
  modules: readonly string[];
}

/** Features of the kernel that containers, pods and services are made of. */
export const hostFeatures: readonly KernelFeature[] = [
  { name: "overlay", proofs: ["/sys/module/overlay"], modules: ["overlay"] },
  {
    name: "br_netfilter",
    proofs: ["/proc/sys/net/bridge", "/sys/module/br_netfilter"],
    modules: ["br_netfilter"],
  },
  {
    name: "nf_conntrack",
    proofs: ["/sys/module/nf_conntrack", "/proc/sys/net/netfilter"],
    modules: ["nf_conntrack"],
  },
  {
    name: "iptables",
    proofs: ["/proc/net/ip_tables_names", "/sys/module/ip_tables", "/sys/module/nf_tables"],
    modules: ["ip_tables", "nf_tables"],
  },
];

/** What pods' packets need of the kernel: they are routed, and what crosses a bridge meets the firewall. */
export const networkSysctls: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "1",
  "net.bridge.bridge-nf-call-iptables": "1",
  "net.bridge.bridge-nf-call-ip6tables": "1",
  // kube-proxy answers node ports on loopback through it.
  "net.ipv4.conf.all.route_localnet": "1",
};

/**
 * What the kubelet would set by itself; with protectKernelDefaults it only checks.
 *
 * @see setupKernelTunables in the kubelet's container manager
 */
export const kubeletSysctls: Readonly<Record<string, string>> = {
  "vm.overcommit_memory": "1",
  "vm.panic_on_oom": "0",
  "kernel.panic": "10",
  "kernel.panic_on_oops": "1",
  "kernel.keys.root_maxkeys": "1000000",
  "kernel.keys.root_maxbytes": "25000000",
};

/** Kernel settings that must be there from the start; those of br_netfilter come with the module. */
export const hostSysctls: readonly string[] = Object.keys({ ...networkSysctls, ...kubeletSysctls }).filter(
  (name) => !name.startsWith("net.bridge."),
);

/** A program that the host must bring. */
export interface HostProgram {
  name: string;
  /** Package of it, as Debian and most others call it. */
  package: string;
  /** What does not work without it; only for those that a node can be made without. */
  without?: string;
}

/** Programs that nodelet, the kubelet and the network plugins start. */
export const hostPrograms: readonly HostProgram[] = [
  { name: "iptables", package: "iptables" },
  { name: "ip", package: "iproute2" },
  { name: "mount", package: "mount (util-linux)" },
  { name: "umount", package: "mount (util-linux)" },
  { name: "systemctl", package: "systemd" },
  { name: "conntrack", package: "conntrack", without: "UDP services may go on to pods that are gone" },
  { name: "socat", package: "socat", without: "kubectl port-forward does not work" },
];

/** Cgroup controllers that limits and accounting of pods need. */
export const cgroupControllers: readonly string[] = ["cpu", "cpuset", "memory", "pids"];
