import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { codeOf } from "../errors.ts";
import {
  type CgroupPlaces,
  findHierarchy,
  type Hierarchy,
  type Layout,
  type LayoutOptions,
  readStat,
} from "./cgroup-layout.ts";

/** Where this process stays while it is not limited: a group with limited groups below it may hold no process itself. */
const SUPERVISOR = "supervisor";

/**
 * The layout on version 2: the limited group lies below the service's own group, which systemd leaves to a service with
 * `Delegate=yes`. Where that cannot be divided, since others are in it, it lies below the root.
 *
 * @returns undefined when there is no version 2 with the controller `cpu` on this host
 */
export function layoutV2(places: CgroupPlaces, options: LayoutOptions): Layout | undefined {
  const found = findHierarchy("unified", places);
  if (!found || !hasCpu(found.top, "cgroup.controllers")) return undefined;
  const own = [SUPERVISOR, options.name].includes(basename(found.own)) ? dirname(found.own) : found.own;
  // The root of all is no service's.
  const divided = own !== found.top && divide(own);
  const base = divided ? own : found.top;
  const group = join(base, options.name);
  const home = divided ? join(own, SUPERVISOR) : homeOutside(found, group);
  return {
    version: 2,
    places: [{ group, home, top: found.top }],
    prepare() {
      if (divided) divide(own);
      else enableCpu(base);
      mkdirSync(group, { recursive: true });
      writeFileSync(join(group, "cpu.max"), `${options.quotaUs} ${options.periodUs}`);
    },
    usage() {
      const stat = readStat(join(group, "cpu.stat"));
      return {
        usageUs: stat("usage_usec"),
        periods: stat("nr_periods"),
        throttledPeriods: stat("nr_throttled"),
        throttledUs: stat("throttled_usec"),
      };
    },
    dismantle() {
      if (divided) unite(own);
    },
  };
}

function homeOutside({ own }: Hierarchy, group: string): string {
  return own === group ? dirname(group) : own;
}

/** Makes a group fit to have a limited one below it: whoever is in it moves one down. @returns false when it cannot be */
function divide(own: string): boolean {
  if (hasCpu(own, "cgroup.subtree_control")) {
    mkdirSync(join(own, SUPERVISOR), { recursive: true });
    return true;
  }
  // Only we, and what we have started, may be in it; other processes are not ours to move.
  try {
    mkdirSync(join(own, SUPERVISOR), { recursive: true });
    writeFileSync(join(own, SUPERVISOR, "cgroup.procs"), String(process.pid));
    enableCpu(own);
    return true;
  } catch {
    unite(own);
    return false;
  }
}

/** The reverse of {@linkcode divide}, as far as it goes. */
function unite(own: string): void {
  const supervisor = join(own, SUPERVISOR);
  try {
    if (hasCpu(own, "cgroup.subtree_control")) writeFileSync(join(own, "cgroup.subtree_control"), "-cpu");
    for (const pid of readFileSync(join(supervisor, "cgroup.procs"), "utf8").split("\n").filter(Boolean))
      writeFileSync(join(own, "cgroup.procs"), pid);
    rmdirSync(supervisor);
  } catch {
    // Empty groups cost nothing, and systemd removes those of a service that has ended.
  }
}

function enableCpu(group: string): void {
  if (!hasCpu(group, "cgroup.subtree_control")) writeFileSync(join(group, "cgroup.subtree_control"), "+cpu");
}

function hasCpu(group: string, file: "cgroup.controllers" | "cgroup.subtree_control"): boolean {
  try {
    return readFileSync(join(group, file), "utf8").split(/\s+/).includes("cpu");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}
