import { hostFeatures, hostPrograms, hostSysctls } from "../needs.ts";
import { parseControllers, parseModules } from "../parse.ts";
import type { HostProbe } from "../probe.ts";

/** The kernel, and the programs that work with it. */
export interface KernelFacts {
  /** As in `/lib/modules/RELEASE`. */
  kernel: string;
  /** 2 when there is only the one hierarchy. */
  cgroupVersion: 1 | 2;
  controllers: readonly string[];
  /** Names of the features of {@linkcode hostFeatures} that the kernel neither has nor can load. */
  missingFeatures: readonly string[];
  missingSysctls: readonly string[];
  missingPrograms: readonly string[];
  /** Values of {@linkcode LIMITS} that the kernel has. */
  limits: ReadonlyMap<string, number>;
}

/** Settings that limit what a node can do, and that nodelet leaves alone. */
const LIMITS = ["fs.inotify.max_user_instances", "fs.inotify.max_user_watches", "fs.file-max", "fs.nr_open"];

/** Looks at the kernel. */
export async function lookAtKernel(probe: HostProbe): Promise<KernelFacts> {
  const kernel = probe.kernelRelease();
  const [v2, v1, dep, builtin, sysctls, proofs, limits] = await Promise.all([
    probe.readText("/sys/fs/cgroup/cgroup.controllers"),
    probe.readText("/proc/cgroups"),
    probe.readText(`/lib/modules/${kernel}/modules.dep`),
    probe.readText(`/lib/modules/${kernel}/modules.builtin`),
    Promise.all(hostSysctls.map((name) => probe.pathExists(sysctlPath(name)))),
    Promise.all(
      hostFeatures.map(async ({ proofs }) =>
        (await Promise.all(proofs.map((path) => probe.pathExists(path)))).includes(true),
      ),
    ),
    Promise.all(LIMITS.map(async (name) => [name, await probe.readText(sysctlPath(name))] as const)),
  ]);
  const loadable = parseModules(`${dep ?? ""}\n${builtin ?? ""}`);
  return {
    kernel,
    cgroupVersion: v2 === undefined ? 1 : 2,
    controllers: parseControllers({ v2, v1 }),
    missingSysctls: hostSysctls.filter((_, at) => !sysctls[at]),
    missingFeatures: hostFeatures
      .filter(({ modules }, at) => !proofs[at] && !modules.some((name) => loadable.has(name)))
      .map(({ name }) => name),
    missingPrograms: hostPrograms.map(({ name }) => name).filter((name) => !probe.hasProgram(name)),
    limits: new Map(limits.flatMap(([name, text]) => (text === undefined ? [] : [[name, Number(text)]]))),
  };
}

function sysctlPath(name: string): string {
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}
