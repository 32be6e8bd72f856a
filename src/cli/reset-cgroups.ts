import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../ctx.ts";
import { isMissing } from "../host/host.ts";
import { cgroupFact, leftCgroups } from "../host/footprint/cgroups.ts";
import type { Facts } from "../host/footprint/footprint.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { until } from "../runner/wait.ts";

/** How long processes that were killed may take to leave a cgroup, in milliseconds. */
const EMPTYING_MS = 10_000;

/**
 * Removes the cgroups that the kubelet and the engine leave when they end: those of pods are the kubelet's to remove, and
 * it is gone. The kernel lets none go that a process is in, so nothing of others is lost; what is left the comparison tells.
 *
 * @param before facts of the host before init: what was there stays
 */
export async function removeCgroups(machine: Machine, before: Facts): Promise<void> {
  const left = () => leftCgroups(machine).filter((path) => before[cgroupFact(path)] === undefined);
  // With the cgroup driver of systemd it is a unit, and systemd would make it again.
  if (left().some((path) => path.endsWith("/kubepods.slice")))
    await machine.run(["systemctl", "stop", "kubepods.slice"], { check: false });
  const rest = async () => {
    for (const path of left()) await removeTree(placeOf(machine, path));
    return left().length === 0 ? { value: true } : { missing: left().join(", ") };
  };
  const signal = new AbortController().signal;
  await until(rest, { action: "remove cgroups", timeoutMs: EMPTYING_MS, clock: systemClock, signal }).catch(
    () => {},
  );
}

async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
  for (const entry of entries.filter((one) => one.isDirectory())) await removeTree(join(path, entry.name));
  // In use, or gone already: looked at again by who asks.
  await rmdir(path).catch(() => {});
}
