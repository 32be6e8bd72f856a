import { basename } from "node:path";
import type { Check, CheckInput } from "../check.ts";
import { cgroupControllers, hostFeatures, hostPrograms, type HostProgram } from "../needs.ts";

/** Without a controller the limits of pods are not kept. */
export const cgroupMissing: Check = {
  code: "CgroupMissing",
  level: "error",
  title: "the kernel has the cgroup controllers",
  run({ facts }) {
    const missing = cgroupControllers.filter((name) => !facts.controllers.includes(name));
    if (missing.length === 0) return [];
    return [
      {
        message: `The kernel has no cgroup controller ${missing.join(", ")}; expected ${cgroupControllers.join(", ")}`,
        hint: missing.includes("memory")
          ? 'add "cgroup_enable=memory swapaccount=1" to the kernel command line and boot again'
          : "boot a kernel that has it, without cgroup_disable= on its command line",
      },
    ];
  },
};

/** Modules are loaded by a phase; here it must only be possible. */
export const kernelModuleMissing: Check = {
  code: "KernelModuleMissing",
  level: "error",
  title: "the kernel has, or can load, what containers and services need",
  run: ({ facts }) =>
    hostFeatures
      .filter(({ name }) => facts.missingFeatures.includes(name))
      .map(({ name, proofs, modules }) => ({
        message: `The kernel has no ${name}: none of ${proofs.join(", ")} exists, and its modules do not list ${modules.join(" or ")}`,
        hint: "install the modules of the running kernel (Debian: linux-image-$(uname -r)), or boot a kernel that has it",
      })),
};

/** A setting that does not exist cannot be set. */
export const sysctlMissing: Check = {
  code: "SysctlMissing",
  level: "error",
  title: "the kernel has the settings that the node needs",
  run: ({ facts }) =>
    facts.missingSysctls.map((name) => ({
      message: `The kernel has no setting ${name}; expected /proc/sys/${name.replaceAll(".", "/")}`,
      hint: "boot a kernel that has it, or give the container that this host is its /proc/sys",
    })),
};

/** Programs without which there is no node. */
export const programMissing: Check = {
  code: "ProgramMissing",
  level: "error",
  title: "the host has the programs that the node starts",
  unseen: unreadable,
  run: (input) =>
    missingPrograms(input)
      .filter(({ without }) => !without)
      .map(({ name, package: from }) => ({
        message: `The program "${name}" is not on this host; expected it in /usr/sbin, /usr/bin, /sbin or /bin`,
        hint: `install the package ${from}`,
      })),
};

/** Programs without which something smaller does not work. */
export const programMissed: Check = {
  code: "ProgramMissed",
  level: "warning",
  title: "the host has the programs that parts of Kubernetes use",
  unseen: unreadable,
  run: (input) =>
    missingPrograms(input)
      .filter(({ without }) => without)
      .map(({ name, package: from, without }) => ({
        message: `The program "${name}" is not on this host: without it ${without}`,
        hint: `install the package ${from}`,
      })),
};

/** A bundle that is to bring them, and could not be read, does not tell which. */
function unreadable({ bundle, node }: CheckInput): string | undefined {
  if (node.runtime === "host" || bundle.runtime.length > 0) return undefined;
  return "there is no bundle to see which ones it brings";
}

/** What neither the host has nor the bundle brings. */
function missingPrograms({ facts, bundle, node }: Parameters<Check["run"]>[0]): HostProgram[] {
  const tools = node.runtime === "bundled" ? [...bundle.runtime, ...(bundle.index.links ?? [])] : [];
  const brought = [
    ...bundle.binaries.filter((entry) => entry.kind === "binary").map((entry) => entry.name),
    ...tools.map(({ name }) => basename(name)),
  ];
  return hostPrograms.filter(({ name }) => facts.missingPrograms.includes(name) && !brought.includes(name));
}
