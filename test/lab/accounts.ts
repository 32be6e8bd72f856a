import { expect } from "bun:test";
import type { CgroupUsage } from "../../src/host/cgroup-layout.ts";

/** What `test/lab/burn.ts` prints. */
export interface Burnt {
  version: 1 | 2;
  path: string;
  /** Lines of /proc/PID/cgroup: before the cgroup was opened, then, inside, and afterwards. */
  before: string[];
  opened: string[];
  inside: { self: string[]; child: string[] };
  failed: string;
  after: string[];
  usage: CgroupUsage;
  removed: { there: boolean; left: string[]; self: string[] };
}

/**
 * Expects of the kernel's own figures that two programs which wanted all the CPU they could get were held to a share of one
 * core.
 *
 * @param percent of one core, in periods of a second
 */
export function expectHeldTo(percent: number, { usage }: Burnt): void {
  const quotaUs = percent * 10_000;
  expect(usage.periods).toBeGreaterThanOrEqual(2);
  expect(usage.throttledPeriods).toBeGreaterThan(0);
  expect(usage.throttledUs).toBeGreaterThan(0);
  // They did want it: in all periods that were counted they used what there was.
  expect(usage.usageUs).toBeGreaterThan(quotaUs * (usage.periods - 1));
  // The quota of the period that was under way at the end comes on top, and a tick of the clock for each core and period.
  const ticks = usage.periods * navigator.hardwareConcurrency * 10_000;
  expect(usage.usageUs).toBeLessThan(quotaUs * (usage.periods + 1) + ticks);
}
