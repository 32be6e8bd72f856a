import type { Explanations } from "./explanation.ts";

const SET_BY_INIT =
  "Settings that Kubernetes needs (forwarding, bridges through the packet filter, what the kubelet checks) are set, kept in /etc/sysctl.d and put back by reset.";

/** The kernel, its limits, and the programs that work with it. */
export const kernel: Explanations = {
  KernelTooOld: {
    checked: "The version of the running kernel; expected 4.18 or later.",
    why: "Docker's overlay2 needs 4.0. Before 4.18 the two kinds of iptables, that of the host and that of kube-proxy's image, cannot both translate addresses.",
    ways: [["Install a later kernel of the distribution and boot it; look with uname -r."]],
  },
  CgroupMissing: {
    checked:
      "The cgroup controllers that are turned on (cgroup.controllers, or /proc/cgroups): cpu, cpuset, memory and pids.",
    why: "Limits of pods are not kept without them, and the kubelet does not start.",
    ways: [
      [
        'Add "cgroup_enable=memory swapaccount=1" to the kernel command line, or take cgroup_disable= from it.',
        "Write the boot loader's configuration anew (update-grub) and boot.",
      ],
    ],
  },
  CgroupVersion: {
    checked:
      "Whether the host has the one hierarchy of cgroup version 2, and the version of Docker: 20.10 was the first that knows it.",
    why: "An older engine starts no container there.",
    ways: [
      ["Upgrade Docker to 20.10 or later."],
      ["Add systemd.unified_cgroup_hierarchy=0 to the kernel command line.", "Boot again."],
    ],
  },
  KernelModuleMissing: {
    checked:
      "Marks of overlay, br_netfilter, nf_conntrack and iptables in /sys/module and /proc, else their names in modules.dep and modules.builtin.",
    why: "Images are stacked by overlay; packets of pods and services are handled by the others.",
    ways: [
      ["Install the modules of the running kernel, for example linux-image-$(uname -r) on Debian."],
      ["After an upgrade of the kernel: boot, so that the running one and the installed one are the same."],
      ["In a container: load them on the machine around it with modprobe."],
    ],
    init: "overlay and br_netfilter are loaded, written to /etc/modules-load.d, and taken out again by reset when nobody had them before.",
  },
  SysctlMissing: {
    checked: "That the settings which the node needs exist below /proc/sys. Their values do not matter here.",
    why: "A setting that does not exist cannot be set, and the kubelet, which checks them, does not start.",
    ways: [
      ["Boot a kernel that has them."],
      ["In a container: give it the whole of /proc/sys (--privileged)."],
    ],
    init: SET_BY_INIT,
  },
  InotifyLow: {
    checked: "fs.inotify.max_user_instances (128) and fs.inotify.max_user_watches (8192).",
    why: 'systemd, the kubelet and every pod of root share them. When they are used up, static pods are not seen and programs say "too many open files".',
    ways: [
      [
        'Write "fs.inotify.max_user_instances = 8192" and "fs.inotify.max_user_watches = 524288" to /etc/sysctl.d/90-node.conf.',
        "Run sysctl --system.",
      ],
    ],
  },
  OpenFilesLow: {
    checked:
      "fs.nr_open (1048576, what the kubelet's unit asks for) and fs.file-max (200000, for all processes together).",
    why: 'Programs in pods fail with "too many open files", and nobody knows why.',
    ways: [
      [
        'Write "fs.nr_open = 1048576" and "fs.file-max = 2097152" to /etc/sysctl.d/90-node.conf.',
        "Run sysctl --system.",
      ],
    ],
  },
  ProgramMissing: {
    checked:
      "The programs that nodelet, the kubelet and network plugins start, in /opt/pf9/bin, /usr/local, /usr/sbin, /usr/bin, /sbin and /bin; less those that the bundle brings.",
    why: "Without them there is no node: pods are not connected, and volumes are not mounted.",
    ways: [
      ["Install the package that the finding names."],
      [
        "Use a bundle with a container runtime: it brings iptables, ip, conntrack and more, and changes no package.",
      ],
    ],
    init: "What the bundle brings is put into /opt/pf9/bin, where only nodelet's own services look first.",
  },
  ProgramMissed: {
    checked: "Programs that only a part of Kubernetes uses: conntrack and socat.",
    why: "Without conntrack UDP services may go on to pods that are gone; without socat kubectl port-forward does not work.",
    ways: [["Install the package that the finding names."], ["Go on without that part."]],
  },
};
