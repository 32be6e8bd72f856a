import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  type CgroupPlaces,
  findHierarchy,
  type Layout,
  type LayoutOptions,
  readStat,
} from "./cgroup-layout.ts";

/**
 * The layout on version 1, where each controller has a hierarchy: a group below the root of the one with `cpu`, and one below
 * the root of the one with `cpuacct` when that is another.
 *
 * @returns undefined when `cpu` is not a controller of version 1 on this host
 */
export function layoutV1(places: CgroupPlaces, options: LayoutOptions): Layout | undefined {
  const { name, quotaUs, periodUs } = options;
  const cpu = findHierarchy("cpu", places);
  if (!cpu) return undefined;
  const cpuacct = findHierarchy("cpuacct", places);
  const hierarchies = [cpu, ...(cpuacct && cpuacct.top !== cpu.top ? [cpuacct] : [])];
  const group = join(cpu.top, name);
  return {
    version: 1,
    places: hierarchies.map(({ top, own }) => ({
      group: join(top, name),
      // A process that was started by one inside is inside too.
      home: basename(own) === name ? dirname(own) : own,
      top,
    })),
    prepare() {
      for (const { top } of hierarchies) mkdirSync(join(top, name), { recursive: true });
      writeFileSync(join(group, "cpu.cfs_period_us"), String(periodUs));
      writeFileSync(join(group, "cpu.cfs_quota_us"), String(quotaUs));
    },
    usage() {
      const stat = readStat(join(group, "cpu.stat"));
      const usage = cpuacct ? readFileSync(join(cpuacct.top, name, "cpuacct.usage"), "utf8") : "0";
      return {
        usageUs: Math.round(Number(usage) / 1000),
        periods: stat("nr_periods"),
        throttledPeriods: stat("nr_throttled"),
        throttledUs: Math.round(stat("throttled_time") / 1000),
      };
    },
    dismantle() {},
  };
}
