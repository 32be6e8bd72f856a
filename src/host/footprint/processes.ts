import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { placeOf } from "../machine.ts";
import type { Area } from "./footprint.ts";

/** Kubernetes' programs as the kernel cuts their names, at 15 characters. */
const NAMES = new Set([
  "kubelet",
  "kube-apiserver",
  "kube-controller",
  "kube-scheduler",
  "kube-proxy",
  "etcd",
  "coredns",
  "pause",
  "nodeletd",
]);

/** Processes that are Kubernetes', or run from /opt/pf9; how many there are of each name. */
export const processesArea: Area = {
  name: "processes",
  async look({ machine, pid: own }) {
    const pids = readdirSync(placeOf(machine, "/proc")).filter((name) => /^\d+$/.test(name));
    const counts = new Map<string, number>();
    for (const pid of pids) {
      const name = pid === String(own) ? undefined : nameOf(placeOf(machine, `/proc/${pid}`));
      if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return Object.fromEntries([...counts].map(([name, count]) => [`process ${name}`, `${count} of it`]));
  },
};

/** The name of a process that is looked for; undefined for any other, and for one that has ended. */
function nameOf(dir: string): string | undefined {
  try {
    const stat = readFileSync(`${dir}/stat`, "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const ended = stat[stat.lastIndexOf(")") + 2] === "Z";
    if (ended) return undefined;
    return NAMES.has(name) || readlinkSync(`${dir}/exe`).startsWith("/opt/pf9/") ? name : undefined;
  } catch {
    // It has ended, or is a thread of the kernel.
    return undefined;
  }
}
