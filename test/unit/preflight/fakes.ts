import { type Bundle, bundleOf } from "../../../src/bundle/bundle.ts";
import type { BundleEntry } from "../../../src/bundle/index-format.ts";
import type { Config } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Finding } from "../../../src/errors.ts";
import type { NodeFacts } from "../../../src/node-facts.ts";
import { type PreflightOptions, runPreflight } from "../../../src/preflight/preflight.ts";
import type {
  HostProbe,
  Listener,
  ProbedContainer,
  ProbedEngine,
  ProbedUnit,
} from "../../../src/preflight/probe.ts";

/** Files of a host that can become a node. */
const FILES: Readonly<Record<string, string>> = {
  "/proc/1/comm": "systemd\n",
  "/run/systemd/system": "",
  "/proc/meminfo": "MemTotal:        4028400 kB\nMemFree: 1 kB\n",
  "/proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
  "/proc/mounts": "/dev/vda1 / ext4 rw,relatime 0 0\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids\n",
  "/lib/modules/6.1.0-1-amd64/modules.dep":
    "kernel/fs/overlayfs/overlay.ko.xz:\nkernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\nkernel/net/netfilter/nf_conntrack.ko.xz:\n",
  "/lib/modules/6.1.0-1-amd64/modules.builtin": "kernel/net/ipv4/netfilter/ip_tables.ko\n",
  "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
  "/proc/sys/fs/inotify/max_user_instances": "128\n",
  "/proc/sys/fs/inotify/max_user_watches": "65536\n",
  "/proc/sys/fs/file-max": "9223372036854775807\n",
  "/proc/sys/fs/nr_open": "1048576\n",
  "/proc/sys/kernel/hostname": "n1\n",
  "/etc/hosts": "127.0.0.1 localhost\n10.88.0.11 n1 # added by the installer\n",
  "/sys/class/net/lo/mtu": "65536\n",
  "/sys/class/net/eth0/mtu": "1500\n",
  "/proc/net/route": [
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
    "eth0\t00000000\t0100580A\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    "eth0\t0000580A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
    "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0",
    "",
  ].join("\n"),
  ...Object.fromEntries(
    [
      "net/ipv4/ip_forward",
      "net/ipv4/conf/all/route_localnet",
      "vm/overcommit_memory",
      "vm/panic_on_oom",
      "kernel/panic",
      "kernel/panic_on_oops",
      "kernel/keys/root_maxkeys",
      "kernel/keys/root_maxbytes",
    ].map((name) => [`/proc/sys/${name}`, "0\n"]),
  ),
};

/** Files of a host with the older cgroup hierarchies. */
export const cgroupV1: Readonly<Record<string, string | undefined>> = {
  "/sys/fs/cgroup/cgroup.controllers": undefined,
  "/proc/cgroups": `#subsys_name\thierarchy\tnum_cgroups\tenabled\n${["cpuset", "cpu", "memory", "pids"].map((name) => `${name}\t3\t1\t1\n`).join("")}`,
};

/** What is different from the healthy host. */
export interface Overrides {
  uid?: number;
  os?: string;
  now?: number;
  cpus?: number;
  machine?: string;
  kernel?: string;
  /** Added to the files; undefined takes one away. Directories are those that files are in. */
  files?: Readonly<Record<string, string | undefined>>;
  missingPrograms?: readonly string[];
  addresses?: ReturnType<HostProbe["addresses"]>;
  listeners?: readonly Partial<Listener>[];
  /** Addresses of other hosts that answer. */
  answering?: readonly string[];
  units?: readonly Partial<ProbedUnit>[] | "none";
  engine?: Partial<ProbedEngine> | "none";
  activeUnits?: readonly string[];
  firewall?: string | "none";
  /** The output of nft; a host without it otherwise. */
  nft?: string;
  /** Free bytes by mount point. */
  free?: Readonly<Record<string, number>>;
  /** Bytes of every file system. */
  total?: number;
  /** Where symbolic links lead. */
  links?: Readonly<Record<string, string>>;
  unwritable?: readonly string[];
  /** Milliseconds, each so many times. */
  writes?: readonly [ms: number, times: number][] | "none";
  sizes?: Readonly<Record<string, number>>;
}

/** A host that can become a node, apart from the overrides. */
export function healthyProbe(over: Overrides = {}): HostProbe {
  const files = new Map(
    Object.entries({ ...FILES, ...over.files }).flatMap(([path, text]) =>
      text === undefined ? [] : [[path, text] as const],
    ),
  );
  const free = Object.entries({ "/": 100 * 2 ** 30, ...over.free });
  return {
    uid: () => over.uid ?? 0,
    os: () => over.os ?? "linux",
    now: () => over.now ?? Date.UTC(2026, 5, 1),
    cpus: () => over.cpus ?? 2,
    kernelRelease: () => over.kernel ?? "6.1.0-1-amd64",
    machine: () => over.machine ?? "x86_64",
    addresses: () =>
      over.addresses ?? [
        { interface: "lo", address: "127.0.0.1", cidr: "127.0.0.1/8", internal: true },
        { interface: "eth0", address: "10.88.0.11", cidr: "10.88.0.11/24", internal: false },
      ],
    hasProgram: (name) => !over.missingPrograms?.includes(name),
    readText: async (path) => files.get(path),
    list: async (path) =>
      [...files.keys()]
        .filter((one) => one.startsWith(`${path}/`))
        .map((one) => one.slice(path.length + 1).split("/")[0] ?? "")
        .sort(),
    pathExists: async (path) => files.has(path),
    fileSize: async (path) => over.sizes?.[path],
    space: async (path) => {
      const inside = free
        .filter(([point]) => path.startsWith(point))
        .sort(([a], [b]) => b.length - a.length)[0];
      const totalBytes = over.total ?? 200 * 2 ** 30;
      return inside && { device: free.indexOf(inside), freeBytes: inside[1], totalBytes };
    },
    realPath: async (path) => over.links?.[path] ?? path,
    writable: async (path) => !over.unwritable?.includes(path),
    syncedWrites: async () =>
      over.writes === "none"
        ? undefined
        : (over.writes ?? [[0.2, 100]]).flatMap(([ms, times]) => Array<number>(times).fill(ms)),
    answers: async (address) => over.answering?.includes(address) ?? false,
    listeners: async (ports) =>
      (over.listeners ?? []).map(listener).filter(({ port }) => ports.includes(port)),
    units: async (names) =>
      over.units === "none"
        ? undefined
        : names.map((name) => unit(name, typeof over.units === "object" ? over.units : [])),
    activeUnits: async () =>
      over.units === "none"
        ? undefined
        : (over.activeUnits ?? ["systemd-timesyncd.service", "docker.service"]),
    nftRules: async () => over.nft,
    firewallRules: async () =>
      over.firewall === "none" ? undefined : (over.firewall ?? "-P INPUT ACCEPT\n"),
    engine: async () => (over.engine === "none" ? undefined : engine(over.engine ?? {})),
  };
}

function listener(over: Partial<Listener>): Listener {
  return {
    protocol: "tcp",
    port: 0,
    address: "0.0.0.0",
    pid: 812,
    process: "nginx",
    cgroup: "0::/user.slice\n",
    ...over,
  };
}

function unit(name: string, all: readonly Partial<ProbedUnit>[]): ProbedUnit {
  const absent = { name, load: "not-found", active: false, mainPid: 0, command: "" };
  const docker = {
    ...absent,
    load: "loaded",
    active: true,
    mainPid: 500,
    command: "/usr/sbin/dockerd -H fd://",
  };
  return { ...(name === "docker.service" ? docker : absent), ...all.find((one) => one.name === name) };
}

function engine(over: Partial<ProbedEngine>): ProbedEngine {
  const healthy = {
    version: "20.10.24+dfsg1",
    cgroupDriver: "cgroupfs",
    storageDriver: "overlay2",
    rootDir: "/var/lib/docker",
  };
  return { ...healthy, containers: [], images: [], ...over };
}

/** A container, running. */
export function container(name: string, over: Partial<ProbedContainer> = {}): ProbedContainer {
  return { id: idOf(name), name, running: true, labels: {}, ...over };
}

/** 64 hex digits that belong to a name. */
export const idOf = (name: string): string => new Bun.CryptoHasher("sha256").update(name).digest("hex");

/** The configuration as defaults and flags give it. */
export const config = (flags: Record<string, unknown> = {}): Config => loadConfig({ files: [], flags });

const NODE: NodeFacts = {
  name: "n1",
  ip: "10.88.0.11",
  interface: "eth0",
  masterIp: "10.88.0.11",
  clusterId: "c1",
  apiServiceIp: "10.21.0.1",
  dnsIp: "10.21.0.10",
  podCidr: "10.20.0.0/24",
  server: "https://127.0.0.1:6443",
  balancer: "https://127.0.0.1:6444",
  joined: false,
  platform: "linux/amd64",
  runtime: "host",
};

const IMAGES = [
  "pause",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "haproxy",
  "keepalived",
];

/** Entries of a whole bundle: images of 100 MiB, programs of 50 MiB. */
export function entries(): BundleEntry[] {
  const base = (name: string) => ({
    name,
    version: "v1.20.2",
    path: name,
    sha256: idOf(name),
    source: "",
    platform: "linux/amd64",
  });
  return [
    ...IMAGES.map((name) => ({
      ...base(name),
      kind: "image" as const,
      size: 100 * 2 ** 20,
      reference: `x/${name}:1`,
      imageId: `sha256:${idOf(name)}`,
    })),
    ...["kubelet", "kubectl"].map((name) => ({ ...base(name), kind: "binary" as const, size: 50 * 2 ** 20 })),
    { ...base("bridge"), kind: "cni" as const, size: 4 * 2 ** 20 },
  ];
}

/** Entries of a bundle that brings an engine of 100 MiB as well. */
export function entriesWithRuntime(): BundleEntry[] {
  const [any] = entries();
  const runtime = { ...any, kind: "runtime", name: "bin/dockerd", size: 100 * 2 ** 20, mode: 0o755 };
  return [...entries(), runtime as BundleEntry];
}

/** A bundle of which only the index is at hand, or one whose content is as its check says. */
export function bundle(
  over: {
    damage?: (entries: readonly BundleEntry[]) => Finding[];
    platform?: string;
    entries?: BundleEntry[];
  } = {},
): Bundle {
  const { damage, platform = "linux/amd64" } = over;
  const index = { format: 1, name: "kubernetes-1.20.2", platform, entries: over.entries ?? entries() };
  const source = damage && {
    index,
    path: "/nowhere",
    content: () => {
      throw new Error("not asked for by preflight");
    },
    check: async (checked: readonly BundleEntry[]) => damage(checked),
    fileSize: 0,
    bytesToCheck: () => 0,
  };
  return bundleOf(index, source);
}

/** Images and programs that a host has when all of the bundle is installed. */
export const installedImages = entries().flatMap((entry) =>
  entry.kind === "image" ? [{ id: entry.imageId, references: [entry.reference] }] : [],
);
export const installedSizes: Record<string, number> = {
  "/opt/pf9/bin/kubelet": 50 * 2 ** 20,
  "/opt/pf9/bin/kubectl": 50 * 2 ** 20,
  "/opt/cni/bin/bridge": 4 * 2 ** 20,
};

/** What a case changes besides the host. */
export type PlanOverrides = Partial<Omit<PreflightOptions, "node" | "probe">> & { node?: Partial<NodeFacts> };

/** Runs preflight on a host where the bundle is installed already, unless the case says otherwise. */
export function preflight(host: Overrides = {}, plan: PlanOverrides = {}) {
  const over = { ...host, sizes: host.sizes ?? installedSizes };
  const withImages = over.engine === "none" ? "none" : { images: installedImages, ...over.engine };
  return runPreflight({
    config: config(),
    bundle: bundle(),
    installed: false,
    ...plan,
    node: { ...NODE, ...plan.node },
    probe: healthyProbe({ ...over, engine: withImages }),
  });
}

/** The findings of a level on one line each, for short expectations. */
export const lines = (findings: readonly Finding[]): string[] =>
  findings.map(({ code, message, hint }) => `${code}: ${message} => ${hint}`);
