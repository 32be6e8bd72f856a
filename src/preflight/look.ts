import type { BundleEntry, ImageEntry } from "../bundle/index-format.ts";
import { neededEntries } from "../bundle/needed.ts";
import { paths } from "../paths.ts";
import type { Plan } from "./check.ts";
import { type KernelFacts, lookAtKernel } from "./look/kernel.ts";
import { type LeftoverFacts, lookForLeftovers } from "./look/leftovers.ts";
import { lookAtMachine, type MachineFacts } from "./look/machine.ts";
import { lookAtNetwork, type NetworkFacts } from "./look/network.ts";
import { lookAtStorage, measureDisk, type StorageFacts } from "./look/storage.ts";
import type { HostProbe, ProbedEngine, ProbedUnit } from "./probe.ts";

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

/** The host as it was found, all at one time. */
export interface Facts extends MachineFacts, KernelFacts, NetworkFacts, StorageFacts, LeftoverFacts {
  /** By name; undefined when systemd does not answer. */
  units: ReadonlyMap<string, ProbedUnit> | undefined;
  /** Names of all units that are active; undefined when systemd does not answer. */
  activeUnits: ReadonlySet<string> | undefined;
  engine: ProbedEngine | undefined;
  /** The command line of the running dockerd, or the one that it would be started with. */
  dockerd: string;
  daemonJson: string | undefined;
  dockerRoot: string;
  /** Entries of the bundle that this node needs and the host has not yet; images count as missing while no engine answers. */
  missing: readonly BundleEntry[];
}

/** Looks at everything at once, and changes nothing. */
export async function look(probe: HostProbe, plan: Plan): Promise<Facts> {
  const [machine, kernel, network, leftovers, units, runtime] = await Promise.all([
    lookAtMachine(probe),
    lookAtKernel(probe),
    lookAtNetwork(probe, plan),
    lookForLeftovers(probe, plan),
    lookAtUnits(probe),
    lookAtRuntime(probe, plan),
  ]);
  return {
    ...machine,
    ...kernel,
    ...network,
    ...leftovers,
    ...units,
    ...runtime,
    syncedWrites: await measureDisk(probe, plan),
  };
}

async function lookAtUnits(probe: HostProbe) {
  const [units, active] = await Promise.all([probe.units(UNITS), probe.activeUnits()]);
  const byName = units && new Map(units.map((unit) => [unit.name, unit]));
  return {
    units: byName,
    activeUnits: active && new Set(active),
    dockerd: await commandOf(probe, byName?.get("docker.service")),
  };
}

async function commandOf(probe: HostProbe, unit: ProbedUnit | undefined): Promise<string> {
  const running = unit?.mainPid ? await probe.readText(`/proc/${unit.mainPid}/cmdline`) : undefined;
  return running?.replaceAll("\0", " ").trim() || (unit?.command ?? "");
}

/** The engine, its disk, and what of the bundle is on the host. */
async function lookAtRuntime(probe: HostProbe, plan: Plan) {
  const [engine, daemonJson] = await Promise.all([probe.engine(), probe.readText(paths.daemonJson)]);
  const dockerRoot = engine?.rootDir ?? dataRoot(plan, daemonJson);
  const [storage, missing] = await Promise.all([
    lookAtStorage(probe, { plan, dockerRoot }),
    findMissing(probe, { plan, engine }),
  ]);
  return { ...storage, engine, daemonJson, dockerRoot, missing };
}

/** Where an engine that does not run keeps its data. */
function dataRoot({ node, config }: Plan, daemonJson: string | undefined): string {
  if (node.runtime === "bundled") return config.dockerDataDir;
  return /"data-root"\s*:\s*"([^"]+)"/.exec(daemonJson ?? "")?.[1] ?? "/var/lib/docker";
}

async function findMissing(
  probe: HostProbe,
  { plan, engine }: { plan: Plan; engine: ProbedEngine | undefined },
): Promise<BundleEntry[]> {
  const images = new Set(engine?.images.map((image) => image.id));
  const { role, networkPlugin, masterVip } = plan.config;
  const content = { role, networkPlugin, masterVip, runtime: plan.node.runtime };
  const found = await Promise.all(
    neededEntries(plan.bundle.index, content).map(async (entry) => {
      if (entry.kind === "image") return images.has(entry.imageId) ? [] : [entry];
      const place = installPlace(entry);
      return place === undefined || (await probe.fileSize(place)) === entry.size ? [] : [entry];
    }),
  );
  return found.flat();
}

/** Where a file of the bundle is installed; undefined when it is not. */
function installPlace(entry: Exclude<BundleEntry, ImageEntry>): string | undefined {
  if (entry.kind === "cni") return `${paths.cniBinDir}/${entry.name}`;
  if (entry.kind === "binary") return entry.name === "kubeadm" ? undefined : `${paths.binDir}/${entry.name}`;
  if (entry.kind === "runtime") return `${paths.runtimeDir}/${entry.name}`;
  return undefined;
}
