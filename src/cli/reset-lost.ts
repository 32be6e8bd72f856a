import { existsSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { BundleIndex } from "../bundle/index-format.ts";
import { DAEMON_UNIT } from "../daemon/unit.ts";
import { sha256File } from "../host/hash.ts";
import type { JournalRecord } from "../host/journal.ts";
import { POD_LABEL } from "../host/kinds/claims.ts";
import { SPEC_LABEL } from "../host/kinds/container.ts";
import { PIN_LABEL } from "../host/kinds/image.ts";
import { PEER_ROUTES } from "../host/kinds/peer-routes.ts";
import { readRoutes } from "../host/kinds/route.ts";
import type { KindName } from "../host/kinds/index.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { FLANNEL, FLANNEL_DIR } from "../network/flannel-container.ts";
import { FLANNEL_TMPFILES, FLANNEL_TUNNEL } from "../network/flannel.ts";
import { CHAIN_PREFIX } from "../network/pod-chains.ts";
import { TUNNEL } from "../network/pod-routes.ts";
import { paths } from "../paths.ts";
import { ownMounts } from "./reset-mounts.ts";
import { SETTINGS_FILES, unknownOf } from "./reset-unknown.ts";
import { readConfig } from "./session.ts";

/** What is surely nodelet's on a host whose journal was lost, and what nobody can know any more. */
export interface Traces {
  /** As a journal would have it, oldest first. */
  records: JournalRecord[];
  /** What stays as it is, since only the journal knew how it was; each a line. */
  unknown: string[];
}

const CONFLIST = `${paths.cniConfDir}/00-pf9-bridge.conflist`;
const BOOT_FILES = [
  ...SETTINGS_FILES,
  "/etc/modules-load.d/pf9-nodelet.conf",
  "/etc/tmpfiles.d/pf9-nodelet.conf",
];
/** The engine first: it must still run when its containers are removed, so it is undone after the others. */
const UNITS = [basename(paths.engineUnit), basename(paths.kubeletUnit), DAEMON_UNIT];
/** Nothing but nodelet makes these; where none is, there was no node. */
const PROOFS = [...UNITS.map(unitFile), ...BOOT_FILES, CONFLIST, dirname(paths.program)];

/** Looks for what nodelet and its programs have left. No records at all where nodelet never was. */
export async function findTraces(machine: Machine): Promise<Traces> {
  const is = (path: string) => existsSync(placeOf(machine, path));
  const engine = await lookInEngine(machine);
  if (!PROOFS.some(is) && !engine?.containers) return { records: [], unknown: [] };
  const index = await readIndex(machine);
  const live = machine.root === "/";
  const config = await readConfig(machine, {}).catch(() => undefined);
  const indexed = index?.entries.flatMap((entry) => (entry.kind === "image" ? [entry.reference] : [])) ?? [];
  const images = [...new Set([...indexed, ...(engine?.images ?? [])])];
  const unit = (name: string) =>
    is(unitFile(name)) ? [record("file", unitFile(name)), ...(live ? [record("unit", name)] : [])] : [];
  const files = [paths.kubeEnv, paths.initFlags, ...BOOT_FILES, CONFLIST].filter(is);
  const records = [
    ...emptyDirs(is),
    ...files.map((key) => record("file", key)),
    ...trees(machine, [
      ...(config ? [config.etcdDataDir] : []),
      ...(config && is(paths.engineUnit) ? [config.dockerDataDir] : []),
    ]),
    ...(await programs(machine, index)),
    ...(live ? await servicesRoute(machine, config?.servicesCidr) : []),
    ...(live ? podNetwork() : []),
    ...(live && is(FLANNEL_TMPFILES) ? flannelsOwn(config?.containersCidr) : []),
    ...(is(paths.engineUnit) ? ownEngine(is) : []),
    ...UNITS.slice(0, 1).flatMap(unit),
    ...(live && engine?.containers !== 0 ? engineRecords(images) : []),
    ...UNITS.slice(1).flatMap(unit),
  ];
  return { records, unknown: await unknownOf(machine, { index, images }) };
}

function unitFile(name: string): string {
  return `${dirname(paths.kubeletUnit)}/${name}`;
}

/** A record of something that was not there before, as far as anybody can know. */
function record(kind: KindName, key: string): JournalRecord {
  const nothing: Partial<Record<KindName, object>> = {
    interface: { present: false },
    route: { interface: null },
    tunnel: { link: null },
    peerRoutes: { routes: {} },
    routesInto: { routes: [] },
    chains: { present: false },
    container: { exists: false },
    image: { imageId: null },
    pods: { ids: [] },
    unit: { active: false, enabled: false },
  };
  return { kind, key, before: nothing[kind] ?? { type: "absent", topmost: key } };
}

/** The way to services. That it is ours is sure: init refuses a host with such a route. */
async function servicesRoute(machine: Machine, services: string | undefined): Promise<JournalRecord[]> {
  const found = (await readRoutes(machine)).filter(({ cidr }) => cidr === services);
  return found.map(({ cidr }) => record("route", cidr));
}

/** What the pod network is made of; of what is not there the undo leaves nothing. */
function podNetwork(): JournalRecord[] {
  return [
    record("interface", "cni0"),
    record("tunnel", TUNNEL),
    record("peerRoutes", PEER_ROUTES),
    ...["KUBE-", "CNI-", CHAIN_PREFIX].map((prefix) => record("chains", prefix)),
  ];
}

/** What flannel is made of, and makes. */
function flannelsOwn(containersCidr: string | undefined): JournalRecord[] {
  return [
    record("file", FLANNEL_TMPFILES),
    record("tree", FLANNEL_DIR),
    record("interface", FLANNEL_TUNNEL),
    ...(containersCidr ? [record("routesInto", containersCidr)] : []),
    record("container", FLANNEL),
  ];
}

/** What the engine has of ours; undefined when nobody can be asked. */
interface InEngine {
  /** How many containers are nodelet's or its kubelet's. */
  containers: number;
  /** References of images that are held for this node. */
  images: string[];
}

async function lookInEngine(machine: Machine): Promise<InEngine | undefined> {
  if (machine.root !== "/") return { containers: 0, images: [] };
  if (!(await machine.docker.alive())) return undefined;
  const all = (await machine.docker.list([])).map(({ labels }) => labels);
  const ours = all.filter((labels) =>
    [SPEC_LABEL, POD_LABEL, PIN_LABEL].some((name) => labels[name] !== undefined),
  );
  const images = ours.flatMap((labels) => labels[PIN_LABEL] ?? []);
  return { containers: ours.length, images };
}

/** What the engine that nodelet brought, and its containerd, have made beside its data; the host has no Docker that could have. */
function ownEngine(is: (path: string) => boolean): JournalRecord[] {
  const docker = ["/run/docker", "/run/docker.sock", "/run/docker.pid"];
  // With a socket there, the host has a containerd of its own.
  const containerd = is("/run/containerd/containerd.sock") ? [] : ["/run/containerd", "/opt/containerd"];
  return [...docker, ...containerd].filter(is).map((path) => record("tree", path));
}

function engineRecords(images: readonly string[]): JournalRecord[] {
  return [
    ...images.map((reference) => record("image", reference)),
    record("container", "etcd"),
    record("pods", "kubelet"),
    ...["balancer", "proxy", "keepalived"].map((name) => record("container", name)),
  ];
}

/** Whole trees that are filled by nodelet or by what it starts, and by nobody else. */
function trees(machine: Machine, configured: readonly string[]): JournalRecord[] {
  const state = ["nodelet", "kube_status", "kube", "etcd", "etcd/data", "docker"].map(
    (name) => `/var/opt/pf9/${name}`,
  );
  const results = "/var/lib/cni/cache/results";
  const dirs = [
    ...state,
    ...configured,
    paths.kubeDir,
    paths.logDir,
    paths.runDir,
    "/var/lib/nodelet",
    "/var/lib/dockershim",
    "/run/dockershim.sock",
    "/var/log/pods",
    "/var/log/containers",
    "/var/lib/cni/networks/pf9-bridge",
    // Other plugins, such as podman's, have theirs beside ours.
    ...names(machine, results)
      .filter((name) => /^(pf9-bridge|cni-loopback)-/.test(name))
      .map((name) => `${results}/${name}`),
  ];
  const kubelet = { ...record("tree", paths.kubeletDir), before: ownMounts(machine, paths.kubeletDir) };
  const there = [...new Set(dirs)].filter((path) => existsSync(placeOf(machine, path)));
  return [
    ...there.map((path) => record("tree", path)),
    ...(existsSync(placeOf(machine, paths.kubeletDir)) ? [kubelet] : []),
  ];
}

/** Directories that go when nothing of others is in them; deepest last, so that it is undone first. */
function emptyDirs(is: (path: string) => boolean): JournalRecord[] {
  const tops = [
    "/etc/pf9",
    "/opt/pf9",
    "/opt/cni",
    "/var/opt/pf9",
    "/var/log/pf9",
    "/etc/cni",
    "/var/lib/cni",
    "/usr/libexec/kubernetes",
  ];
  const below = [
    paths.configDir,
    paths.cniBinDir,
    paths.cniConfDir,
    "/var/lib/cni/cache",
    "/var/lib/cni/cache/results",
    "/var/lib/cni/networks",
  ];
  const plugins = ["kubelet-plugins", "kubelet-plugins/volume", "kubelet-plugins/volume/exec"];
  return [...tops, ...below, ...plugins.map((name) => `/usr/libexec/kubernetes/${name}`)]
    .filter(is)
    .map((path) => record("dir", path));
}

/** Programs that were installed; those that stood in their places come back. */
async function programs(machine: Machine, index: BundleIndex | undefined): Promise<JournalRecord[]> {
  const plugins = await Promise.all(
    (index?.entries ?? [])
      .filter((entry) => entry.kind === "cni")
      .map(async ({ name, sha256 }) => {
        const path = `${paths.cniBinDir}/${name}`;
        const place = placeOf(machine, path);
        return existsSync(place) && (await sha256File(place)) === sha256 ? [record("copy", path)] : [];
      }),
  );
  const dirs = [paths.binDir, `${paths.runtimeDir}/lib`, dirname(paths.program)].filter((path) =>
    existsSync(placeOf(machine, path)),
  );
  return [
    ...dirs.map((path) => ({ ...record("tree", path), before: withSetAside(machine, path) })),
    ...plugins.flat(),
    ...[...dirs, paths.cniBinDir].flatMap((dir) =>
      setAside(machine, dir).map((name): JournalRecord => ({
        kind: "copy",
        key: `${dir}/${name}`,
        before: { type: "file" },
      })),
    ),
  ];
}

/** Names of files that were set aside for ours. */
function setAside(machine: Machine, dir: string): string[] {
  const suffix = ".before-nodelet";
  return names(machine, dir)
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length));
}

function withSetAside(machine: Machine, dir: string): object {
  const kept = setAside(machine, dir);
  if (kept.length === 0) return { type: "absent", topmost: dir };
  return { type: "dir", mode: 0o755, names: kept, mounts: 0 };
}

function names(machine: Machine, dir: string): string[] {
  const place = placeOf(machine, dir);
  return existsSync(place) ? readdirSync(place).sort() : [];
}

async function readIndex(machine: Machine): Promise<BundleIndex | undefined> {
  try {
    return (await Bun.file(placeOf(machine, paths.installedIndex)).json()) as BundleIndex;
  } catch {
    return undefined;
  }
}
