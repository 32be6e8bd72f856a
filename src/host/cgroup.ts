import { readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError, codeOf, messageOf } from "../errors.ts";
import type { CgroupPlaces, CgroupUsage, Layout } from "./cgroup-layout.ts";
import { layoutV1 } from "./cgroup-v1.ts";
import { layoutV2 } from "./cgroup-v2.ts";

/**
 * One second, the longest that the kernel takes: a check that is short enough runs through at full speed, and is not held in
 * the middle of its first tenth of a second.
 */
const PERIOD_US = 1_000_000;

/** A cgroup with a limit of CPU time. */
export interface Cgroup {
  /** Its directory. */
  readonly path: string;
  readonly version: 1 | 2;
  /**
   * Runs work with this process, and what it starts meanwhile, inside the cgroup, and goes back afterwards, also on error.
   * Several may run at the same time: the last one goes back.
   *
   * @throws AppError when the process cannot enter; then the work was not begun
   */
  within<T>(work: () => Promise<T>): Promise<T>;
  /** What the kernel has counted since the cgroup was made. @throws AppError when it is not there */
  usage(): CgroupUsage;
  /** Removes the cgroup; what is in it goes where this process came from. Nothing happens when it is not there. */
  remove(): void;
}

/**
 * Makes a cgroup that limits CPU time, on cgroups of version 1 and 2; one that is there already is taken, with the limit of
 * now.
 *
 * @param options `cpuPercent` is of one core; `sysfs` and `self` stand for `/sys/fs/cgroup` and `/proc/self` in tests
 * @throws AppError with what the host does not have
 */
export function openCgroup(options: { name: string; cpuPercent: number } & Partial<CgroupPlaces>): Cgroup {
  const { name, cpuPercent, sysfs = "/sys/fs/cgroup", self = "/proc/self" } = options;
  const quotaUs = Math.round((cpuPercent / 100) * PERIOD_US);
  const layout = attempt(`make the cgroup "${name}"`, () => {
    const limit = { name, quotaUs, periodUs: PERIOD_US };
    const found = layoutV1({ sysfs, self }, limit) ?? layoutV2({ sysfs, self }, limit);
    if (!found) throw new Error(`the controller "cpu" is not mounted; expected it below ${sysfs}`);
    found.prepare();
    return found;
  });
  return cgroupOf(name, layout);
}

function cgroupOf(name: string, layout: Layout): Cgroup {
  const path = layout.places[0]?.group ?? "";
  let inside = 0;
  return {
    path,
    version: layout.version,
    async within(work) {
      if (inside === 0) attempt(`enter the cgroup "${path}"`, () => enter(layout));
      inside++;
      try {
        return await work();
      } finally {
        inside--;
        if (inside === 0) attempt(`leave the cgroup "${path}"`, () => leave(layout, process.pid));
      }
    },
    usage: () => attempt(`read the use of the cgroup "${path}"`, () => layout.usage()),
    remove: () => attempt(`remove the cgroup "${name}"`, () => remove(layout)),
  };
}

function enter(layout: Layout): void {
  const go = () => {
    for (const { group } of layout.places) move(process.pid, group);
  };
  try {
    go();
  } catch {
    // Somebody has removed it: a limit that is missing is made again, as everything else that we keep.
    try {
      layout.prepare();
      go();
    } catch (error) {
      // Out of those that were entered.
      leave(layout, process.pid);
      throw error;
    }
  }
}

function leave({ places }: Layout, pid: number): void {
  for (const { home, top } of places) {
    // What we came from may have been removed while nobody was in it; then it is the nearest above.
    for (let to = home; ; to = dirname(to)) {
      try {
        move(pid, to);
        break;
      } catch (error) {
        if (to === top || codeOf(error) !== "ENOENT") throw error;
      }
    }
  }
}

function remove(layout: Layout): void {
  for (const { group } of layout.places) {
    for (const pid of processesOf(group)) {
      try {
        leave(layout, pid);
      } catch (error) {
        // Ended meanwhile.
        if (codeOf(error) !== "ESRCH") throw error;
      }
    }
    try {
      rmdirSync(group);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
  layout.dismantle();
}

function processesOf(group: string): number[] {
  try {
    return readFileSync(join(group, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** The kernel moves all threads of the process. */
function move(pid: number, group: string): void {
  writeFileSync(join(group, "cgroup.procs"), String(pid));
}

function attempt<T>(action: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new AppError(`Cannot ${action}: ${messageOf(error)}`, {
      hint: "run as root on a host with cgroups; useCgroups: false does without",
    });
  }
}
