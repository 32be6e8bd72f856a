import { readFileSync } from "node:fs";
import type { DirFound } from "../host/kinds/dir.ts";
import type { Machine } from "../host/machine.ts";

interface Mount {
  device: string;
  root: string;
  point: string;
}

/**
 * What a directory was before the kubelet came, as far as its mounts tell. The kubelet mounts its directory onto itself; any
 * other mount on it is a file system of the operator, and stays.
 */
export function ownMounts(machine: Machine, dir: string): DirFound {
  const mounts = machine.root === "/" ? parse(readFileSync("/proc/self/mountinfo", "utf8")) : [];
  return foundBefore(mounts, dir);
}

/** The same from the text of a mountinfo. @see proc_pid_mountinfo(5) */
export function mountedBefore(mountinfo: string, dir: string): DirFound {
  return foundBefore(parse(mountinfo), dir);
}

function foundBefore(mounts: readonly Mount[], dir: string): DirFound {
  const [first] = mounts.filter(({ point }) => point === dir);
  if (!first || isOntoItself(first, mounts)) return { type: "absent", topmost: dir };
  return { type: "dir", mode: 0o755, names: [], mounts: 1 };
}

/** The same device as the file system around it, and of that the same directory. */
function isOntoItself({ device, root, point }: Mount, mounts: readonly Mount[]): boolean {
  const around = mounts
    .filter((one) => one.point !== point && `${point}/`.startsWith(one.point === "/" ? "/" : `${one.point}/`))
    .sort((a, b) => b.point.length - a.point.length)[0];
  if (!around || around.device !== device) return false;
  const inside = around.point === "/" ? point : point.slice(around.point.length);
  return root === (around.root === "/" ? inside : `${around.root}${inside}`);
}

function parse(mountinfo: string): Mount[] {
  return mountinfo
    .trim()
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, , device = "", root = "", point = ""]) => ({ device, root, point }));
}
