/** What a lab host is: `docker` has an engine of its own; `bare` has nothing that containers or Kubernetes need. */
export type Variant = "docker" | "bare";

/** Packages of each variant, beside Debian's smallest system. */
export const PACKAGES: Record<Variant, readonly string[]> = {
  bare: ["dbus", "mount", "procps", "systemd", "systemd-sysv", "util-linux"],
  docker: [
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "docker.io",
    "ebtables",
    "etcd-client",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-ping",
    "jq",
    "kmod",
    "libfaketime",
    "openssl",
    "procps",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
  ],
};

/** Work of a real machine that a container neither needs nor can do; every one of them costs time at each start. */
export const MASKED = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "console-getty.service",
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "etcd.service",
  "fstrim.timer",
  "getty.target",
  "getty-static.service",
  "kmod-static-nodes.service",
  "modprobe@.service",
  "ldconfig.service",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-config.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  "systemd-firstboot.service",
  "systemd-hwdb-update.service",
  "systemd-journal-catalog-update.service",
  "systemd-journal-flush.service",
  "systemd-logind.service",
  "systemd-machine-id-commit.service",
  "systemd-networkd.service",
  "systemd-networkd-wait-online.service",
  "systemd-pcrphase.service",
  "systemd-pcrphase-sysinit.service",
  "systemd-random-seed.service",
  "systemd-remount-fs.service",
  "systemd-resolved.service",
  "systemd-sysusers.service",
  "systemd-timesyncd.service",
  "systemd-udev-settle.service",
  "systemd-udev-trigger.service",
  "systemd-udevd.service",
  "systemd-update-done.service",
  "systemd-update-utmp.service",
];

/** What no test reads. */
export const NEEDLESS = [
  "var/lib/apt/lists",
  "var/cache/apt",
  "usr/share/doc",
  "usr/share/man",
  "usr/share/locale",
  "var/log/bootstrap.log",
  "debootstrap",
];
/**
 * Settings that a kernel has once, and all lab hosts of this machine would share: one host's reset would end another one's
 * kubelet. Each host gets files of its own in their places, with the values of a kernel that nobody has touched.
 */
const KERNEL_WIDE = {
  "vm/overcommit_memory": "0",
  "vm/panic_on_oom": "0",
  "kernel/panic": "0",
  "kernel/panic_on_oops": "0",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/keys/root_maxbytes": "25000000",
} as const;

/** Name of the unit that {@linkcode renderKernelUnit} writes. */
export const KERNEL_UNIT = "lab-kernel.service";

/** Before anything sets kernel settings, at each boot: the files are in memory, as the kernel's values are. */
export function renderKernelUnit(): string {
  const mounts = Object.entries(KERNEL_WIDE).flatMap(([path, value]) => {
    const file = `/dev/shm/lab-kernel/${path.replaceAll("/", ".")}`;
    return [
      `ExecStart=/bin/sh -c "echo ${value} >${file}"`,
      `ExecStart=/bin/mount --bind ${file} /proc/sys/${path}`,
    ];
  });
  return [
    "[Unit]",
    "Description=Kernel settings of this lab host alone",
    "DefaultDependencies=no",
    "Before=systemd-sysctl.service sysinit.target",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    "ExecStart=/bin/mkdir -p /dev/shm/lab-kernel",
    ...mounts,
    "",
  ].join("\n");
}
