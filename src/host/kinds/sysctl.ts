import { readFile, writeFile } from "node:fs/promises";
import { AppError, codeOf, messageOf } from "../../errors.ts";
import type { Kind } from "../kind.ts";
import { type Machine, placeOf } from "../machine.ts";

/** A kernel setting of the running host, by its dotted name. */
export interface SysctlWanted {
  name: string;
  value: string;
  /** What is good enough as found, for example `>= 1`; equality when absent. */
  atLeast?: boolean;
}

/** The value that the kernel had; null when the kernel has no such setting. */
export interface SysctlFound {
  value: string | null;
}

function placeOfSysctl(machine: Machine, name: string): string {
  return placeOf(machine, `/proc/sys/${name.replaceAll(".", "/")}`);
}

/** Reads one kernel setting. */
export async function readSysctl(machine: Machine, name: string): Promise<SysctlFound> {
  try {
    return { value: (await readFile(placeOfSysctl(machine, name), "utf8")).trim().replaceAll(/\s+/g, " ") };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return { value: null };
    throw error;
  }
}

/** Kernel settings that nodelet sets. */
export const sysctlKind: Kind<SysctlWanted, SysctlFound> = {
  key: (wanted) => wanted.name,
  read: (machine, wanted) => readSysctl(machine, wanted.name),
  same: (found, wanted) =>
    found.value === wanted.value || (wanted.atLeast === true && Number(found.value) >= Number(wanted.value)),
  async apply(machine, wanted) {
    try {
      await writeFile(placeOfSysctl(machine, wanted.name), wanted.value);
    } catch (error) {
      throw new AppError(`Cannot set sysctl "${wanted.name}" to "${wanted.value}": ${messageOf(error)}`, {
        hint: "load the kernel module that brings it, or allow writing to /proc/sys",
      });
    }
  },
  async restore(machine, { key, before }) {
    if (before.value === null) return;
    const now = await readSysctl(machine, key);
    if (now.value === null || now.value === before.value) return;
    await writeFile(placeOfSysctl(machine, key), before.value);
  },
  describe: (found, wanted) => ({ from: found.value ?? "absent", to: wanted.value }),
};
