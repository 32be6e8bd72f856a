import type { HostProbe } from "../probe.ts";
import { parseMemory, parseSwaps } from "../parse.ts";

/** The host apart from its kernel, network and disks. */
export interface MachineFacts {
  uid: number;
  os: string;
  now: number;
  cpus: number;
  /** As `uname -m` prints it. */
  machine: string;
  memoryBytes: number | undefined;
  /** systemd is the host's first process and at work. */
  systemd: boolean;
  /** Name of the first process. */
  init: string;
  /** The host is a container: clock and kernel are those of the machine around it. */
  container: boolean;
  /** Undefined when there is no such file. */
  machineId: string | undefined;
  swaps: readonly string[];
  seLinuxEnforcing: boolean;
  /** Variables that systemd gives to every unit, by name in lower case. */
  unitVariables: ReadonlyMap<string, string>;
}

/** Marks that container engines and systemd leave in a container. */
const CONTAINER_MARKS = ["/run/systemd/container", "/.dockerenv", "/run/.containerenv"];

const MANAGER_CONFIG = "/etc/systemd/system.conf";
const MANAGER_DROP_INS = [
  "/usr/lib/systemd/system.conf.d",
  "/run/systemd/system.conf.d",
  "/etc/systemd/system.conf.d",
];

/** Looks at the machine. */
export async function lookAtMachine(probe: HostProbe): Promise<MachineFacts> {
  const [init, run, meminfo, swaps, enforce, machineId, marks, unitVariables] = await Promise.all([
    probe.readText("/proc/1/comm"),
    probe.pathExists("/run/systemd/system"),
    probe.readText("/proc/meminfo"),
    probe.readText("/proc/swaps"),
    probe.readText("/sys/fs/selinux/enforce"),
    probe.readText("/etc/machine-id"),
    Promise.all(CONTAINER_MARKS.map((path) => probe.pathExists(path))),
    readUnitVariables(probe),
  ]);
  return {
    uid: probe.uid(),
    os: probe.os(),
    now: probe.now(),
    cpus: probe.cpus(),
    machine: probe.machine(),
    memoryBytes: parseMemory(meminfo ?? ""),
    init: init?.trim() ?? "unknown",
    systemd: run && init?.trim() === "systemd",
    container: marks.includes(true),
    machineId: machineId?.trim(),
    swaps: parseSwaps(swaps ?? ""),
    seLinuxEnforcing: enforce?.trim() === "1",
    unitVariables,
  };
}

async function readUnitVariables(probe: HostProbe): Promise<ReadonlyMap<string, string>> {
  const texts = await readConfig(probe, { file: MANAGER_CONFIG, dirs: MANAGER_DROP_INS });
  const lines = texts.join("\n").matchAll(/^\s*DefaultEnvironment\s*=(.*)$/gm);
  const words = [...lines].flatMap(([, line = ""]) => line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []);
  return new Map(
    words
      .map((word) => /^["']?(\w+)=(.*?)["']?$/.exec(word))
      .flatMap((match) => (match ? [[(match[1] ?? "").toLowerCase(), match[2] ?? ""] as const] : [])),
  );
}

/** Texts of a configuration file and of the `*.conf` beside it, in the order in which they are read. */
export async function readConfig(
  probe: HostProbe,
  { file, dirs }: { file: string; dirs: readonly string[] },
): Promise<string[]> {
  const names = await Promise.all(dirs.map((dir) => probe.list(dir)));
  const paths = dirs.flatMap((dir, at) =>
    (names[at] ?? []).filter((name) => name.endsWith(".conf")).map((name) => `${dir}/${name}`),
  );
  const texts = await Promise.all([file, ...paths].map((path) => probe.readText(path)));
  return texts.filter((text) => text !== undefined);
}
