import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { aptEntries, ensurePackages } from "../lib/apt.ts";
import { Cache } from "../lib/cache.ts";
import { elapsed, say } from "../lib/progress.ts";
import { run } from "../lib/run.ts";
import { placeProgram, writeImage } from "../stack/docker-archive.ts";
import { SUITE } from "../stack/pins.ts";
import { docker } from "./engine.ts";
import { buildWrapper, lacksSysResource, wrapperSettings } from "./limits.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 1;

const PACKAGES = [
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
];

/** Work of a real machine that a container neither needs nor can do; every one of them costs time at each start. */
const MASKED = [
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

const NEEDLESS = [
  "var/lib/apt/lists",
  "var/cache/apt",
  "usr/share/doc",
  "usr/share/man",
  "usr/share/locale",
  "var/log/bootstrap.log",
  "debootstrap",
];
const DEBOOTSTRAP_DEADLINE_MS = 15 * 60_000;

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

const KERNEL_UNIT = "lab-kernel.service";

/** Where the wrapper is in a lab host. */
const WRAPPER = "/usr/local/sbin/runc-lab";

/**
 * Makes sure the lab's engine has the image of a lab host: Debian with systemd and a Docker engine of its own.
 *
 * @returns The image's reference.
 * @throws When the root file system cannot be built.
 */
export async function ensureImage(cache: Cache = Cache.standard()): Promise<string> {
  const limited = await lacksSysResource();
  const wrapper = await buildWrapper(cache);
  const key = {
    recipe: RECIPE,
    suite: SUITE,
    PACKAGES,
    MASKED,
    NEEDLESS,
    kernel: renderKernelUnit(),
    wrapper: limited ? basename(dirname(wrapper)) : "none",
  };
  const started = performance.now();
  const { dir, hit } = await cache.cached({ name: "lab-host", key }, async ({ work, out }) => {
    say("lab host image: building with debootstrap (about a minute) …");
    const root = join(work, "root");
    await bootstrap(root);
    await configure(root, limited ? wrapper : undefined);
    const spec = {
      reference: "nodelet-lab-host:building",
      labels: { "nodelet.lab": "1" },
      entrypoint: ["/sbin/init"],
      keepOwners: true,
    };
    const id = await writeImage(root, join(out, "lab-host.tar"), spec);
    await writeFile(join(out, "id"), id);
  });
  if (!hit) say(`lab host image: built, ${elapsed(started)}`);
  const id = (await Bun.file(join(dir, "id")).text()).trim();
  const { exitCode } = await docker(["image", "inspect", id], { accept: [0, 1] });
  if (exitCode !== 0) {
    const loading = performance.now();
    await docker(["load", "-q", "-i", join(dir, "lab-host.tar")]);
    say(`lab host image: loaded, ${elapsed(loading)}`);
  }
  return id;
}

async function bootstrap(root: string): Promise<void> {
  await ensurePackages(["debootstrap"]);
  const [mirror] = await aptEntries(SUITE);
  if (mirror === undefined)
    throw new Error(`Cannot find a mirror of Debian "${SUITE}" in the machine's package sources`);
  const keyring = mirror.signedBy === undefined ? [] : [`--keyring=${mirror.signedBy}`];
  const options = ["--variant=minbase", `--include=${PACKAGES.join(",")}`, ...keyring];
  await run(["debootstrap", ...options, SUITE, root, mirror.uri], {
    timeoutMs: DEBOOTSTRAP_DEADLINE_MS,
    tied: true,
  });
}

async function configure(root: string, wrapper: string | undefined): Promise<void> {
  for (const path of NEEDLESS) await rm(join(root, path), { recursive: true, force: true });
  for (const unit of MASKED) await link("/dev/null", join(root, "etc/systemd/system", unit));
  await link("/lib/systemd/system/multi-user.target", join(root, "etc/systemd/system/default.target"));
  const units = join(root, "etc/systemd/system");
  await mkdir(join(units, "sysinit.target.wants"), { recursive: true });
  await writeFile(join(units, KERNEL_UNIT), renderKernelUnit());
  await link(join("/etc/systemd/system", KERNEL_UNIT), join(units, "sysinit.target.wants", KERNEL_UNIT));
  // The mirror's address is the build machine's affair, and a lab host has no way out.
  await rm(join(root, "etc/apt/sources.list"), { force: true });
  await writeFile(join(root, "etc/hostname"), "lab\n");
  // An empty file makes systemd give every host an identity of its own at its first start.
  await writeFile(join(root, "etc/machine-id"), "");
  await mkdir(join(root, "etc/docker"), { recursive: true });
  if (wrapper !== undefined) {
    await placeProgram(wrapper, root, WRAPPER);
    await writeFile(
      join(root, "etc/docker/daemon.json"),
      `${JSON.stringify(wrapperSettings(WRAPPER), null, 2)}\n`,
    );
  }
  const logs = join(root, "var/log");
  for (const item of await readdir(logs)) if (item.endsWith(".log")) await rm(join(logs, item));
}

/** Before anything sets kernel settings, at each boot: the files are in memory, as the kernel's values are. */
function renderKernelUnit(): string {
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

async function link(target: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}
