import { paths } from "../../paths.ts";
import type { Check, CheckInput, Problem } from "../check.ts";
import { setting } from "../check.ts";
import { sizeText } from "../../size-text.ts";

/** What an empty etcd comes to in its first days: snapshots, the log, and room to compact. */
const ETCD_BYTES = 512 * 2 ** 20;

/** Archives take more room unpacked. */
const MARGIN = 1.2;

const GIB = 2 ** 30;

/** GiB that the first installations of such appliances were found to need, for etcd and for the engine. */
const CHECKLIST = { etcd: 1, engine: 10 } as const;

/** From here on an operator has little time left. */
const USED_MUCH = 0.8;

/** The kubelet's own default `imagefs.available<15%`: it marks the node and ends pods. */
const USED_UP = 0.85;

/** Room that one part of the node needs. */
interface Need {
  path: string;
  what: string;
  bytes: number;
}

/** Needs in one file system are added up. */
export const spaceLow: Check = {
  code: "SpaceLow",
  level: "error",
  title: "there is room for images, programs and etcd's data",
  run: (input) =>
    lacks(needsOf(input), input).map(({ first, free, needed, parts }) => ({
      message: `The file system of ${first} has ${sizeText(free)} free; expected ${sizeText(needed)}: ${parts}`,
      hint: `make room for ${sizeText(needed - free)} more there: docker image prune, or a larger file system`,
    })),
};

/** More than init itself needs: what images, logs and data come to later. */
export const storageChecklist: Check = {
  code: "StorageChecklist",
  level: "warning",
  title: "there is room to live with",
  run: (input) =>
    lacks(wishesOf(input), input).map(({ first, free, needed, parts }) => ({
      message: `The file system of ${first} has ${sizeText(free)} free; the storage checklist wants ${sizeText(needed)}: ${parts}`,
      hint: `give it ${sizeText(needed - free)} more, or ${setting("storageChecklist")} to the sizes that do here`,
    })),
};

/** Needs that are more than a file system has left; on an installed node they are met, or told by its disk's fill. */
function lacks(needs: readonly Need[], { facts }: CheckInput) {
  const groups = Map.groupBy(needs, ({ path }) => facts.space.get(path)?.device);
  return [...groups].flatMap(([device, group]) => {
    const first = group[0]?.path ?? "";
    const free = facts.space.get(first)?.freeBytes ?? 0;
    const needed = group.reduce((sum, { bytes }) => sum + bytes, 0);
    if (device === undefined || free >= needed) return [];
    const parts = group
      .map(({ what, path, bytes }) => `${sizeText(bytes)} for ${what} in ${path}`)
      .join(", ");
    return [{ first, free, needed, parts }];
  });
}

function needsOf({ facts, config, installed, bundle }: CheckInput): Need[] {
  const sum = (kind: string) =>
    Math.ceil(
      MARGIN *
        facts.missing.filter((entry) => entry.kind === kind).reduce((total, { size }) => total + size, 0),
    );
  const etcd = config.role === "master" && !installed ? ETCD_BYTES : 0;
  // Docker unpacks an archive beside its store before it takes it over.
  const images = facts.missing.filter((entry) => entry.kind === "image").map(({ size }) => size);
  return [
    { path: facts.dockerRoot, what: "images", bytes: sum("image") + Math.max(0, ...images) },
    { path: paths.runtimeDir, what: "nodelet itself", bytes: installed ? 0 : (bundle.source?.fileSize ?? 0) },
    { path: paths.binDir, what: "programs", bytes: sum("binary") },
    { path: paths.runtimeDir, what: "the container runtime", bytes: sum("runtime") },
    { path: paths.cniBinDir, what: "network plugins", bytes: sum("cni") },
    { path: config.etcdDataDir, what: "etcd's data", bytes: etcd },
  ].filter(({ bytes }) => bytes > 0);
}

function wishesOf({ facts, config, installed }: CheckInput): Need[] {
  if (installed) return [];
  const own = config.role === "master" ? { [config.etcdDataDir]: CHECKLIST.etcd } : {};
  const wishes = { [facts.dockerRoot]: CHECKLIST.engine, ...own, ...config.storageChecklist };
  const what = (path: string) =>
    path === facts.dockerRoot ? "the engine" : path === config.etcdDataDir ? "etcd" : "data";
  return Object.entries(wishes)
    .map(([path, size]) => ({ path, what: what(path), bytes: size * GIB }))
    .filter(({ bytes }) => bytes > 0);
}

/** A node that begins with a full disk is never Ready for pods. */
export const diskFull: Check = {
  code: "DiskFull",
  level: "error",
  title: "no disk of the node is so full that the kubelet ends pods",
  run: (input) => (input.installed || setsEviction(input) ? [] : fullDisks(input, { from: USED_UP })),
};

/** On a node that runs it is a warning at any fill: init again must not make it worse. */
export const diskUsage: Check = {
  code: "DiskUsage",
  level: "warning",
  title: "the disks of the node are less than 80 % full",
  run: (input) =>
    fullDisks(input, {
      from: USED_MUCH,
      ...(!input.installed && !setsEviction(input) && { below: USED_UP }),
    }),
};

/** The operator has said when the kubelet is to act. */
function setsEviction({ config }: CheckInput): boolean {
  return config.kubeletFlags.some((flag) => flag.startsWith("--eviction-hard="));
}

function fullDisks({ facts }: CheckInput, range: { from: number; below?: number }): Problem[] {
  const disks = new Map(
    [paths.kubeletDir, facts.dockerRoot].flatMap((path) => {
      const space = facts.space.get(path);
      return space && space.totalBytes > 0 ? [[space.device, { path, ...space }] as const] : [];
    }),
  );
  return [...disks.values()].flatMap(({ path, freeBytes, totalBytes }) => {
    const used = 1 - freeBytes / totalBytes;
    if (used < range.from || used >= (range.below ?? Infinity)) return [];
    const wanted = Math.ceil((1 - USED_MUCH) * totalBytes - freeBytes);
    return [
      {
        message: `The file system of ${path} is ${Math.floor(used * 100)} % full (${sizeText(freeBytes)} of ${sizeText(totalBytes)} free); expected less than ${Math.round(range.from * 100)} %: from 85 % on the kubelet ends pods`,
        hint: `make room for ${sizeText(Math.max(wanted, 0))}: docker system prune, journalctl --vacuum-size=200M, or a larger file system`,
      },
    ];
  });
}
