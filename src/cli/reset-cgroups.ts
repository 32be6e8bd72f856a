import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../host/host.ts";
import { cgroupFact, leftCgroups } from "../host/footprint/cgroups.ts";
import type { Facts } from "../host/footprint/footprint.ts";
import { type Machine, placeOf } from "../host/machine.ts";

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
  for (const path of left()) await removeTree(placeOf(machine, path));
}

async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
  for (const entry of entries.filter((one) => one.isDirectory())) await removeTree(join(path, entry.name));
  // In use, or gone already.
  await rmdir(path).catch(() => {});
}
