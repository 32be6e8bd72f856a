import { paths } from "../../paths.ts";
import type { Check, CheckInput, Problem } from "../check.ts";
import { needsRoot, setting } from "../check.ts";
import type { Facts } from "../look.ts";
import { type Mount, mountOf } from "../parse.ts";

/** File systems whose files are elsewhere, or made by a program: locks, syncs and overlays are not what they are on a disk. */
const REMOTE =
  /^(nfs\d?|cifs|smb\d?|smbfs|ceph|glusterfs|afs|9p|ncpfs|lustre|fuse\..*|fuse|fuseblk|ecryptfs|virtiofs|vboxsf)$/;

/** File systems that are empty after the next boot. */
const IN_MEMORY = /^(tmpfs|ramfs)$/;

/** Programs that cannot be started, or places that cannot be written, are no use. */
export const mountOptions: Check = {
  code: "MountOptions",
  level: "error",
  title: "the node's directories can be written, and programs there started",
  run: (input) => wrongOptions(input, wantedOptions(input)),
};

function wantedOptions({ facts, config }: CheckInput) {
  return [
    { path: paths.binDir, wrong: ["ro", "noexec"] },
    { path: paths.cniBinDir, wrong: ["ro", "noexec"] },
    { path: facts.dockerRoot, wrong: ["ro", "noexec"] },
    { path: paths.kubeletDir, wrong: ["ro"] },
    { path: config.etcdDataDir, wrong: ["ro"] },
  ];
}

/** Pods start all the same, and then programs in them behave otherwise than elsewhere. */
export const mountLimits: Check = {
  code: "MountLimits",
  level: "warning",
  title: "the files of containers and pods are under no limits of a mount",
  run: (input) =>
    wrongOptions(input, [
      // ping, sudo and the like in images.
      { path: input.facts.dockerRoot, wrong: ["nosuid", "nodev"] },
      { path: paths.kubeletDir, wrong: ["noexec"] },
    ]),
};

const OPPOSITE: Readonly<Record<string, string>> = { ro: "rw", noexec: "exec", nosuid: "suid", nodev: "dev" };

function wrongOptions(
  { facts }: CheckInput,
  places: readonly { path: string; wrong: string[] }[],
): Problem[] {
  return places.flatMap(({ path, wrong }) => {
    const mount = mountAt(facts, path);
    const found = mount?.options.filter((option) => wrong.includes(option)) ?? [];
    if (!mount || found.length === 0) return [];
    const remedy = found.map((option) => OPPOSITE[option]).join(",");
    return [
      {
        message: `"${path}" is on ${mount.point}, which is mounted ${found.join(",")}; expected ${remedy}`,
        hint: `run mount -o remount,${remedy} ${mount.point} and change it in /etc/fstab`,
      },
    ];
  });
}

/** The mount that a place is in, wherever symbolic links lead. */
function mountAt({ mounts, realPaths }: Facts, path: string): Mount | undefined {
  return mountOf(mounts, realPaths.get(path) ?? path);
}

/** A link to a disk elsewhere is fine; another machine's disk, or memory, is not. */
export const dataFileSystem: Check = {
  code: "DataFileSystem",
  level: "error",
  title: "containers and etcd keep their data on a disk of this host",
  run({ facts, config, installed }) {
    if (installed) return [];
    const places = [
      { path: facts.dockerRoot, what: "the engine's data", way: `set "data-root" in ${paths.daemonJson}` },
      ...(config.role === "master"
        ? [{ path: config.etcdDataDir, what: "etcd's data", way: setting("etcdDataDir") }]
        : []),
    ];
    return places.flatMap(({ path, what, way }) => {
      const mount = mountAt(facts, path);
      if (!mount) return [];
      const why = REMOTE.test(mount.type)
        ? "whose files are not this host's own"
        : IN_MEMORY.test(mount.type)
          ? "which is empty after the next boot"
          : undefined;
      if (!why) return [];
      return [
        {
          message: `"${path}" (${what}) is on ${mount.point}, a file system of the type ${mount.type}, ${why}; expected a disk with ext4 or xfs`,
          hint: `${way} to a directory on a disk, or mount one there`,
        },
      ];
    });
  },
};

/** A read-only or immutable `/etc` is no place for units and settings. */
export const notWritable: Check = {
  code: "NotWritable",
  level: "error",
  title: "root can write where nodelet writes",
  unseen: needsRoot,
  run(input) {
    const { facts } = input;
    // What a mount forbids has a finding with the mount's name.
    const told = wantedOptions(input).map(({ path }) => path);
    const readOnly = (path: string) => mountAt(facts, path)?.options.includes("ro") === true;
    const found = facts.unwritable.filter((path) => !(told.includes(path) && readOnly(path)));
    const [mounted, locked] = [found.filter(readOnly), found.filter((path) => !readOnly(path))];
    return [
      ...mounted.map((path) => {
        const point = mountAt(facts, path)?.point ?? "/";
        return {
          message: `"${path}" cannot be written: ${point} is mounted read-only; expected a place that init can write to`,
          hint: `run mount -o remount,rw ${point} and change it in /etc/fstab, or mount a writable file system on ${path}`,
        };
      }),
      ...locked.map((path) => ({
        message: `"${path}" cannot be written, not even by root; expected a place that init can write to`,
        hint: `it, or the directory above it, is immutable: see lsattr -d ${path}, and run chattr -i on it`,
      })),
    ];
  },
};
