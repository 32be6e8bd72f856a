import { existsSync } from "node:fs";
import { AppError } from "../../errors.ts";
import type { Kind } from "../kind.ts";
import { type Machine, placeOf } from "../machine.ts";

/** A kernel module that must be there, loaded or built in. */
export interface ModuleWanted {
  name: string;
  /** A path that exists when the feature does: the only proof for what is built in without an entry in /sys/module. */
  proof: string;
}

/** Whether the kernel had the feature. */
export interface ModuleFound {
  present: boolean;
}

/** Kernel modules that nodelet loads. */
export const moduleKind: Kind<ModuleWanted, ModuleFound> = {
  key: (wanted) => wanted.name,
  read: async (machine, wanted) => ({ present: hasModule(machine, wanted) }),
  same: (found) => found.present,
  async apply(machine, wanted) {
    const result = await machine.run(["modprobe", wanted.name], { check: false });
    if (hasModule(machine, wanted)) return;
    throw new AppError(
      `Cannot load the kernel module "${wanted.name}": ${result.stderr.trim() || "it did not appear"}; expected ${wanted.proof}`,
      { hint: "install the kernel's modules package, or a kernel that has it built in" },
    );
  },
  async restore(machine, { key, before }) {
    // A module that something else uses by now stays; modprobe says so and nothing is lost.
    if (!before.present) await machine.run(["modprobe", "-r", key], { check: false });
  },
  describe: (found) => ({ from: found.present ? "loaded" : "not loaded", to: "loaded" }),
};

/** True when the kernel has the feature, as a module or built in. */
export function hasModule(machine: Machine, wanted: ModuleWanted): boolean {
  return (
    existsSync(placeOf(machine, wanted.proof)) || existsSync(placeOf(machine, `/sys/module/${wanted.name}`))
  );
}
