import type { Explanations } from "./explanation.ts";

/** The host as such: user, system, clock, processors, memory. */
export const machine: Explanations = {
  NotLinux: {
    checked: "The system that this program runs on; expected Linux.",
    why: "Containers are made of features of the Linux kernel.",
    ways: [["Copy nodelet to a Linux host with systemd and run it there."]],
  },
  NotRoot: {
    checked: "The user that runs nodelet; expected root, with the id 0.",
    why: "init writes units, kernel settings and keys, and talks to Docker. Looking alone (nodelet preflight) is for everybody.",
    ways: [["Run the same command with sudo, or from a shell of root."]],
  },
  Architecture: {
    checked:
      "What the kernel says it runs on (uname -m), and the platform that this program was built for. On x86-64 the first level of the architecture is enough: nothing in a bundle needs more.",
    why: "An emulated program may start, but the kernel's own limits, calls and speed are those of another processor, and images for it do not run.",
    ways: [
      ["Get the nodelet and the bundle for this architecture.", "Run init with them."],
      ["Use another host."],
    ],
  },
  SystemdMissing: {
    checked: "The name of process 1, and whether /run/systemd/system exists.",
    why: "The kubelet and nodelet's daemon are units of systemd; nothing else starts them at boot and keeps them running.",
    ways: [
      ["Boot the host with systemd as its init system."],
      ["In a container: start it with /sbin/init of an image that has systemd, with --privileged."],
    ],
  },
  ClockWrong: {
    checked: "The clock; expected a time after this program was written.",
    why: "Certificates are valid from now on. When the clock is set right later, they are of the past, or not valid yet.",
    ways: [
      [
        'Set the clock: timedatectl set-time "YYYY-MM-DD hh:mm:ss".',
        "Write it to the hardware: hwclock --systohc.",
      ],
      [
        "Start a time service with a server that this host reaches, and wait until timedatectl says that it is synchronized.",
      ],
    ],
  },
  TimeNotSynced: {
    checked:
      "Whether one of systemd-timesyncd, chrony, ntpd, ntpsec, openntpd or phc2sys is active. A container has the clock of the machine around it and is not asked.",
    why: "A clock that nobody sets is wrong by seconds a day. On a single node that only makes logs hard to read; between nodes certificates and leases fail.",
    ways: [
      [
        "Name a time server of the site in /etc/systemd/timesyncd.conf (NTP=…).",
        "Run systemctl enable --now systemd-timesyncd, and look at timedatectl.",
      ],
      ["On a site without one: set the clock by hand before init, and compare it now and then."],
    ],
  },
  MachineId: {
    checked: "/etc/machine-id: 32 hex digits.",
    why: "systemd's journal, DHCP clients and the Node's status tell hosts apart by it. Images of machines that were copied have it empty, or all the same.",
    ways: [
      [
        "Run systemd-machine-id-setup. In a copy of another machine, remove /etc/machine-id first.",
        "Boot again, so that everything uses it.",
      ],
    ],
  },
  CpusFew: {
    checked: "How many processors this process may use; expected two.",
    why: "A control plane and a kubelet run on one, but starting takes long, and pods that reserve processors may not fit.",
    ways: [["Give the machine a second processor."], ["Go on, and expect a slow start."]],
  },
  MemoryLow: {
    checked:
      "MemTotal of /proc/meminfo; expected what a control plane, etcd and a kubelet were measured to take.",
    why: "When memory is short the kernel ends processes, etcd and the API server among them.",
    ways: [["Give the machine 2 GB or more."], ["Go on for a trial, with few pods."]],
  },
  SwapOn: {
    checked: "/proc/swaps; expected no entry unless allowSwap is set.",
    why: "The kubelet of this version refuses to start with swap on, since limits of memory mean little then.",
    ways: [
      [
        "Run swapoff -a.",
        "Remove the lines with swap from /etc/fstab, and mask what brings it back: systemctl mask dev-zram0.swap for zram.",
      ],
      ["Leave it on: set --allow-swap."],
    ],
  },
  SELinuxEnforcing: {
    checked: "/sys/fs/selinux/enforce; expected absent or 0.",
    why: "Bind mounts of the control plane's containers have no label that a container may read, so they may be kept from their certificates.",
    ways: [
      ["Run setenforce 0.", "Set SELINUX=permissive in /etc/selinux/config for the next boot."],
      ["Go on, and watch ausearch -m avc for what is refused."],
    ],
  },
  FapolicydActive: {
    checked: "Whether fapolicyd.service is active.",
    why: "It lets only programs be started that came with a package, so the kubelet and the network plugins may be refused.",
    ways: [
      [
        'Write the lines "allow perm=any all : dir=/opt/pf9/" and "allow perm=any all : dir=/opt/cni/bin/" to /etc/fapolicyd/rules.d/30-nodelet.rules.',
        "Run fagenrules --load.",
      ],
      ["Turn it off: systemctl disable --now fapolicyd."],
    ],
  },
};
