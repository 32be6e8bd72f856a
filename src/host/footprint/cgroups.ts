import { readdirSync } from "node:fs";
import { type Machine, placeOf } from "../machine.ts";
import type { Area } from "./footprint.ts";

const ROOT = "/sys/fs/cgroup";

/** The kubelet's for its pods, the engine's for its containers, and those of our units. */
const OURS = /^(kubepods(\.slice)?|docker|pf9-.*)$/;

/** Cgroups that are left. Named without their hierarchy, of which the first kind of cgroups has a dozen. */
export const cgroupsArea: Area = {
  name: "cgroups",
  look: async ({ machine }) => Object.fromEntries(leftCgroups(machine).map((path) => [cgroupFact(path), ""])),
};

/** Paths below /sys/fs/cgroup, in every hierarchy. */
export function leftCgroups(machine: Machine): string[] {
  const hierarchies = ["", ...directories(machine, "").map((name) => `/${name}`)];
  const parents = hierarchies.flatMap((path) => [path, `${path}/system.slice`]);
  const found = parents.flatMap((parent) =>
    directories(machine, parent)
      .filter((name) => OURS.test(name))
      .map((name) => `${parent}/${name}`),
  );
  return [...new Set(found)].map((path) => `${ROOT}${path}`);
}

/** Names of the cgroups in one. */
function directories(machine: Machine, path: string): string[] {
  try {
    const entries = readdirSync(placeOf(machine, `${ROOT}${path}`), { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

/** What a cgroup is called among the facts. @param path below /sys/fs/cgroup */
export function cgroupFact(path: string): string {
  const parts = path.slice(ROOT.length + 1).split("/");
  const from = parts.findIndex((part) => part === "system.slice" || OURS.test(part));
  return `cgroup ${parts.slice(from).join("/")}`;
}
