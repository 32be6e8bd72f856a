import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** What the kernel has counted for a cgroup; times are microseconds. */
export interface CgroupUsage {
  /** CPU time that was used. */
  usageUs: number;
  /** Periods in which something wanted to run. */
  periods: number;
  /** Those of them in which it had to wait for the next, its quota being used up. */
  throttledPeriods: number;
  /** How long it had to wait. */
  throttledUs: number;
}

/** A limited cgroup as it lies in the file system of the kernel. */
export interface Layout {
  version: 1 | 2;
  /** Groups that a process enters, the one with the limit first, and where it goes back to; `top` is the hierarchy's root. */
  places: readonly { group: string; home: string; top: string }[];
  /** Makes the groups and sets the limit; may be repeated. */
  prepare(): void;
  usage(): CgroupUsage;
  /** Undoes what `prepare` did besides making the groups. */
  dismantle(): void;
}

/** What decides a layout. */
export interface LayoutOptions {
  /** Of the group. */
  name: string;
  /** CPU time in a period, microseconds. */
  quotaUs: number;
  /** Microseconds. */
  periodUs: number;
}

/** One hierarchy of cgroups that is mounted. */
export interface Hierarchy {
  /** Its root, as far as it can be seen from here. */
  top: string;
  /** The group that this process is in. */
  own: string;
}

/** Where the kernel shows cgroups; replaced in tests. */
export interface CgroupPlaces {
  /** Stands for `/sys/fs/cgroup`. */
  sysfs: string;
  /** Stands for `/proc/self`. */
  self: string;
}

const SYSFS = "/sys/fs/cgroup";

/**
 * Finds the hierarchy of a controller of version 1, or the one hierarchy of version 2.
 *
 * @param controller `cpu`, `cpuacct`, or `unified` for version 2
 * @returns undefined when none is mounted
 */
export function findHierarchy(controller: string, { sysfs, self }: CgroupPlaces): Hierarchy | undefined {
  const type = controller === "unified" ? "cgroup2" : "cgroup";
  for (const line of readFileSync(join(self, "mountinfo"), "utf8").split("\n")) {
    const [mount = "", source = ""] = line.split(" - ");
    const [, , , root = "", point = ""] = mount.split(" ");
    const [fsType, , options = ""] = source.split(" ");
    if (fsType !== type || (type === "cgroup" && !options.split(",").includes(controller))) continue;
    const top = point.startsWith(SYSFS) ? join(sysfs, relative(SYSFS, point)) : point;
    // Without the slash at the end that the group "/" would leave.
    return { top, own: resolve(top, `.${ownGroup(controller, { self, root })}`) };
  }
  return undefined;
}

/** The group of this process below what is mounted, as /proc/self/cgroup names it: `4:cpu,cpuacct:/user.slice`. */
function ownGroup(controller: string, { self, root }: { self: string; root: string }): string {
  for (const line of readFileSync(join(self, "cgroup"), "utf8").split("\n")) {
    const [id, controllers = "", ...rest] = line.split(":");
    const path = rest.join(":");
    const matches =
      controller === "unified"
        ? id === "0" && controllers === ""
        : controllers.split(",").includes(controller);
    if (!matches) continue;
    // In a container without a namespace of cgroups, a part of the hierarchy is mounted, and the path is that of the host.
    const below = root !== "/" && path.startsWith(root) ? path.slice(root.length) : path;
    return below.startsWith("/..") ? "" : below;
  }
  return "";
}

/** Reads a file of lines such as `nr_periods 12`; what is missing is 0. */
export function readStat(path: string): (key: string) => number {
  const text = readFileSync(path, "utf8");
  return (key) => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}
