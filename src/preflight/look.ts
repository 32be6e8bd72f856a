import type { BinaryEntry, BundleEntry } from "../bundle/index-format.ts";
import { paths } from "../paths.ts";
import type { Plan } from "./check.ts";
import {
  type Mount,
  type Network,
  networkOf,
  parseControllers,
  parseMemory,
  parseModules,
  parseMounts,
  parseRoutes,
  parseSwaps,
} from "./parse.ts";
import { portsOf } from "./ports.ts";
import type { HostProbe, Listener, ProbedAddress, ProbedEngine, ProbedUnit, Space } from "./probe.ts";
import { hostFeatures, hostPrograms, hostSysctls } from "./needs.ts";

/** Units that say something about the host: Docker's, other clusters', and the firewall. */
const UNITS = [
  "docker.service",
  "firewalld.service",
  "kubelet.service",
  "k3s.service",
  "k3s-agent.service",
  "rke2-server.service",
  "rke2-agent.service",
  "k0scontroller.service",
  "k0sworker.service",
  "snap.microk8s.daemon-kubelite.service",
];

/** Where etcd's own package keeps its data. */
export const DISTRO_ETCD_DIR = "/var/lib/etcd";

/** The host as it was found, all at one time. */
export interface Facts {
  uid: number;
  os: string;
  now: number;
  cpus: number;
  memoryBytes: number | undefined;
  /** systemd is the host's first process and at work. */
  systemd: boolean;
  /** Name of the first process. */
  init: string;
  /** By name; undefined when systemd does not answer. */
  units: ReadonlyMap<string, ProbedUnit> | undefined;
  engine: ProbedEngine | undefined;
  /** The command line of the running dockerd, or the one that it would be started with. */
  dockerd: string;
  daemonJson: string | undefined;
  dockerRoot: string;
  controllers: readonly string[];
  swaps: readonly string[];
  listeners: readonly Listener[];
  addresses: readonly ProbedAddress[];
  networks: readonly Network[];
  /** Names of the features of {@linkcode hostFeatures} that the kernel neither has nor can load. */
  missingFeatures: readonly string[];
  missingSysctls: readonly string[];
  missingPrograms: readonly string[];
  /** Manifests and kubeconfigs of kubeadm. */
  kubeadmFiles: readonly string[];
  etcdData: readonly string[];
  distroEtcdData: readonly string[];
  seLinuxEnforcing: boolean;
  mounts: readonly Mount[];
  /** Room by path. */
  space: ReadonlyMap<string, Space>;
  /** Entries of the bundle that are not on the host yet; images count as missing while no engine answers. */
  missing: readonly BundleEntry[];
}

/** Looks at everything at once, and changes nothing. */
export async function look(probe: HostProbe, plan: Plan): Promise<Facts> {
  const daemonJson = probe.readText(paths.daemonJson);
  const engine = probe.engine();
  const units = lookAtUnits(probe);
  const dockerRoot = Promise.all([engine, daemonJson]).then(
    ([found, text]) => found?.rootDir ?? dataRoot(text),
  );
  const [machine, kernel, network, leftovers] = await Promise.all([
    lookAtMachine(probe),
    lookAtKernel(probe),
    lookAtNetwork(probe, plan),
    lookForLeftovers(probe, plan),
  ]);
  return {
    ...machine,
    ...kernel,
    ...network,
    ...leftovers,
    units: await units,
    engine: await engine,
    dockerd: await commandOf(probe, (await units)?.get("docker.service")),
    daemonJson: await daemonJson,
    dockerRoot: await dockerRoot,
    space: await lookAtSpace(probe, [
      await dockerRoot,
      paths.binDir,
      paths.cniBinDir,
      plan.config.etcdDataDir,
    ]),
    missing: await findMissing(probe, { plan, engine: await engine }),
  };
}

/** Where a program of the bundle is installed. */
export function installPlace(entry: BinaryEntry): string {
  return `${entry.kind === "cni" ? paths.cniBinDir : paths.binDir}/${entry.name}`;
}

async function lookAtMachine(probe: HostProbe) {
  const [init, run, meminfo, swaps, mounts, enforce] = await Promise.all([
    probe.readText("/proc/1/comm"),
    probe.pathExists("/run/systemd/system"),
    probe.readText("/proc/meminfo"),
    probe.readText("/proc/swaps"),
    probe.readText("/proc/mounts"),
    probe.readText("/sys/fs/selinux/enforce"),
  ]);
  return {
    uid: probe.uid(),
    os: probe.os(),
    now: probe.now(),
    cpus: probe.cpus(),
    memoryBytes: parseMemory(meminfo ?? ""),
    init: init?.trim() ?? "unknown",
    systemd: run && init?.trim() === "systemd",
    swaps: parseSwaps(swaps ?? ""),
    mounts: parseMounts(mounts ?? ""),
    seLinuxEnforcing: enforce?.trim() === "1",
    missingPrograms: hostPrograms.map(({ name }) => name).filter((name) => !probe.hasProgram(name)),
  };
}

async function lookAtKernel(probe: HostProbe) {
  const modules = `/lib/modules/${probe.kernelRelease()}`;
  const [v2, v1, dep, builtin, sysctls, proofs] = await Promise.all([
    probe.readText("/sys/fs/cgroup/cgroup.controllers"),
    probe.readText("/proc/cgroups"),
    probe.readText(`${modules}/modules.dep`),
    probe.readText(`${modules}/modules.builtin`),
    Promise.all(hostSysctls.map((name) => probe.pathExists(`/proc/sys/${name.replaceAll(".", "/")}`))),
    Promise.all(
      hostFeatures.map(async ({ proofs }) =>
        (await Promise.all(proofs.map((path) => probe.pathExists(path)))).includes(true),
      ),
    ),
  ]);
  const loadable = parseModules(`${dep ?? ""}\n${builtin ?? ""}`);
  return {
    controllers: parseControllers({ v2, v1 }),
    missingSysctls: hostSysctls.filter((_, at) => !sysctls[at]),
    missingFeatures: hostFeatures
      .filter(({ modules: names }, at) => !proofs[at] && !names.some((name) => loadable.has(name)))
      .map(({ name }) => name),
  };
}

async function lookAtNetwork(probe: HostProbe, plan: Plan) {
  const addresses = probe.addresses();
  const [routes, listeners] = await Promise.all([
    probe.readText("/proc/net/route"),
    probe.listeners(portsOf(plan).map(({ port }) => port)),
  ]);
  const own = addresses.map((one) => ({ interface: one.interface, cidr: networkOf(one.cidr) }));
  const all = [...parseRoutes(routes ?? ""), ...own];
  const networks = [...new Map(all.map((one) => [`${one.interface} ${one.cidr}`, one])).values()];
  return { addresses, networks, listeners };
}

async function lookForLeftovers(probe: HostProbe, { config }: Plan) {
  const [manifests, kubernetes, etcdData, distroEtcdData] = await Promise.all([
    probe.list("/etc/kubernetes/manifests"),
    probe.list("/etc/kubernetes"),
    probe.list(config.etcdDataDir),
    probe.list(DISTRO_ETCD_DIR),
  ]);
  const kubeadmFiles = [
    ...manifests.filter((name) => /\.ya?ml$/.test(name)).map((name) => `/etc/kubernetes/manifests/${name}`),
    ...kubernetes.filter((name) => name.endsWith(".conf")).map((name) => `/etc/kubernetes/${name}`),
  ];
  return { kubeadmFiles, etcdData, distroEtcdData };
}

async function lookAtUnits(probe: HostProbe): Promise<ReadonlyMap<string, ProbedUnit> | undefined> {
  const units = await probe.units(UNITS);
  return units && new Map(units.map((unit) => [unit.name, unit]));
}

async function commandOf(probe: HostProbe, unit: ProbedUnit | undefined): Promise<string> {
  const running = unit?.mainPid ? await probe.readText(`/proc/${unit.mainPid}/cmdline`) : undefined;
  return running?.replaceAll("\0", " ").trim() || (unit?.command ?? "");
}

/** Where an engine that does not run keeps its data. */
function dataRoot(daemonJson: string | undefined): string {
  return /"data-root"\s*:\s*"([^"]+)"/.exec(daemonJson ?? "")?.[1] ?? "/var/lib/docker";
}

async function lookAtSpace(probe: HostProbe, places: readonly string[]): Promise<ReadonlyMap<string, Space>> {
  const found = await Promise.all(places.map(async (path) => [path, await probe.space(path)] as const));
  return new Map(found.flatMap(([path, space]) => (space ? [[path, space] as const] : [])));
}

async function findMissing(
  probe: HostProbe,
  { plan, engine }: { plan: Plan; engine: ProbedEngine | undefined },
): Promise<BundleEntry[]> {
  const images = new Set(engine?.images.map((image) => image.id));
  const wanted = plan.bundle.index.entries.filter(
    (entry) => entry.kind === "image" || entry.name !== "kubeadm",
  );
  const there = await Promise.all(
    wanted.map(async (entry) =>
      entry.kind === "image"
        ? images.has(entry.imageId)
        : (await probe.fileSize(installPlace(entry))) === entry.size,
    ),
  );
  return wanted.filter((_, at) => !there[at]);
}
