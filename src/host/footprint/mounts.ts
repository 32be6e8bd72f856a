import { readFileSync } from "node:fs";
import { placeOf } from "../machine.ts";
import type { Area, Facts } from "./footprint.ts";

/** What others mount and unmount all the time: sessions, services, containers of the engines, snaps. */
const PASSING = [
  /^\/run\/(user|credentials|docker|containerd|snapd)\//,
  /^\/var\/lib\/(docker|containerd)\//,
  /^\/snap\//,
  // An engine whose data is elsewhere.
  /\/overlay2\/[^/]+\/merged$/,
  /\/containers\/[^/]+\/mounts\/shm$/,
  // Mounted by systemd at the first look at it.
  /^\/proc\/sys\/fs\/binfmt_misc$/,
];

/** Mounts of the host, as often as they are there. */
export const mountsArea: Area = {
  name: "mounts",
  async look({ machine }) {
    try {
      return parseMounts(readFileSync(placeOf(machine, "/proc/self/mountinfo"), "utf8"));
    } catch {
      return undefined;
    }
  },
};

/** Facts from a mountinfo. @see proc_pid_mountinfo(5) */
export function parseMounts(mountinfo: string): Facts {
  const facts: Record<string, string> = {};
  for (const line of mountinfo.split("\n")) {
    const [mount = "", source = ""] = line.split(" - ");
    const point = mount
      .split(" ")[4]
      ?.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
    const [type = "", device = ""] = source.split(" ");
    if (!point || type === "autofs" || PASSING.some((pattern) => pattern.test(point))) continue;
    const thing = `mount ${point}`;
    facts[thing] = facts[thing] ? `${facts[thing]}, ${type} ${device}` : `${type} ${device}`;
  }
  return facts;
}
