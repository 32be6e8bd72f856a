import { stat } from "node:fs/promises";
import { AppError, type Finding } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { paths } from "../paths.ts";
import { type Trust } from "./bundle-file.ts";
import type { Content } from "./content.ts";
import {
  type BinaryEntry,
  type BundleEntry,
  type BundleIndex,
  type ImageEntry,
  INDEX_FORMAT,
  type RuntimeEntry,
} from "./index-format.ts";
import { parseIndex } from "./index-rules.ts";
import { isNeededImage, type NodeContent } from "./needed.ts";
import { directorySource, fileSource, ownSource } from "./sources.ts";

/** Images without which no node runs, by name; each on the nodes that it goes to. */
const NEEDED_IMAGES = [
  "pause",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "haproxy",
  "keepalived",
];
const NEEDED_BINARIES = ["kubelet", "kubectl"];

/** Where the content of a bundle comes from. */
export interface BundleSource {
  readonly index: BundleIndex;
  /** Its file or directory, for messages. */
  readonly path: string;
  /** Bytes of the file that goes to the node with it; 0 for a directory, which stays where it is. */
  readonly fileSize: number;
  /** The content of an entry; of an image, a docker archive. */
  content(entry: BundleEntry): Content;
  /** Compares what the entries are made of with its digests, before any of it is used. */
  check(entries: readonly BundleEntry[], onBytes?: (bytes: number) => void): Promise<Finding[]>;
  /** Bytes that {@linkcode check} reads. */
  bytesToCheck(entries: readonly BundleEntry[]): number;
}

/** What a node is made from. */
export interface Bundle {
  readonly index: BundleIndex;
  /** Undefined when only the index of an installed node is at hand. */
  readonly source: BundleSource | undefined;
  /** Version of Kubernetes, for example `v1.20.2`. */
  readonly kubernetesVersion: string;
  /** @throws AppError when the bundle has no such image */
  image(name: string): ImageEntry;
  findImage(name: string): ImageEntry | undefined;
  readonly images: readonly ImageEntry[];
  readonly binaries: readonly BinaryEntry[];
  /** Files of the container runtime; empty when the bundle brings none. */
  readonly runtime: readonly RuntimeEntry[];
  /** The content of an entry; of an image, a docker archive. @throws AppError when the bundle itself is not at hand */
  content(entry: BundleEntry): Content;
}

/**
 * Opens the bundle that `--bundle` or the configuration names, or when none is named the one behind this program; else the one
 * that an earlier run installed, or what is left of it: its index.
 *
 * @param options `path`: a bundle file or a stack directory; `trust`: whose bundles are taken
 * @throws AppError when there is none, it cannot be read, or nobody trusted has signed it
 */
export async function openBundle(
  host: Host,
  { path, trust }: { path: string | undefined; trust: Trust },
): Promise<Bundle> {
  const wanted = path === undefined ? await ownSource(trust) : await openNamed(path, trust);
  const source = wanted ?? (await installedSource(host, trust));
  if (source) return bundleOf(source.index, source);
  const installed = await host.read(paths.installedIndex);
  if (installed !== undefined) return bundleOf(parseIndex(installed, paths.installedIndex), undefined);
  const found = path
    ? `there is no "${path}"`
    : "none was given, this program carries none, and this host has none installed";
  throw new AppError(`Cannot open the bundle: ${found}`, { hint: "name it with --bundle FILE" });
}

/** One that is gone is no reason to stop on a node that has another one. */
async function openNamed(path: string, trust: Trust): Promise<BundleSource | undefined> {
  const source = (await fileSource({ path }, trust)) ?? (await directorySource(path, trust));
  if (source || !(await stat(path).catch(() => undefined))) return source;
  throw new AppError(`Cannot open the bundle "${path}": it is neither a bundle file nor a stack directory`, {
    hint: "name another one with --bundle FILE",
  });
}

async function installedSource(host: Host, trust: Trust): Promise<BundleSource | undefined> {
  for (const path of [paths.installedBundle, paths.program]) {
    const source = await fileSource({ path, place: host.place(path) }, trust);
    if (source) return source;
  }
  return undefined;
}

/** A bundle with nothing in it, for looking at a host that is no node. */
export const EMPTY_BUNDLE: Bundle = bundleOf(
  { format: INDEX_FORMAT, name: "none", platform: "", entries: [] },
  undefined,
);

/** A bundle from its index, and from its content where that is at hand. */
export function bundleOf(index: BundleIndex, source: BundleSource | undefined): Bundle {
  const images = index.entries.filter((entry) => entry.kind === "image");
  const binaries = index.entries.filter(
    (entry): entry is BinaryEntry => entry.kind === "binary" || entry.kind === "cni",
  );
  const runtime = index.entries.filter((entry) => entry.kind === "runtime");
  const findImage = (name: string) => images.find((image) => image.name === name);
  return {
    index,
    source,
    images,
    binaries,
    runtime,
    findImage,
    kubernetesVersion: binaries.find((entry) => entry.name === "kubelet")?.version ?? "",
    image(name) {
      const found = findImage(name);
      if (found) return found;
      throw new AppError(`Cannot find the image "${name}" in the bundle "${index.name}"`, {
        hint: "make the bundle again",
      });
    },
    content(entry) {
      if (source) return source.content(entry);
      throw new AppError(`Cannot read "${entry.name}": the bundle "${index.name}" is not at hand`, {
        hint: "name it with --bundle FILE",
      });
    },
  };
}

/** Checks that a bundle has all that the node needs, for its platform; its content is checked by {@linkcode BundleSource.check}. */
export function checkBundle(
  bundle: Bundle,
  { platform, ...node }: NodeContent & { platform: string },
): Finding[] {
  const findings: Finding[] = [];
  const { index } = bundle;
  if (index.platform !== platform) {
    findings.push({
      code: "BundlePlatform",
      message: `Bundle "${index.name}" is for ${index.platform}; this host is ${platform}`,
      hint: "use the bundle made for this platform",
    });
  }
  for (const name of NEEDED_IMAGES.filter((one) => isNeededImage(one, node)))
    if (!bundle.findImage(name)) findings.push(incomplete(index, `image "${name}"`));
  for (const name of NEEDED_BINARIES) {
    if (!bundle.binaries.some((entry) => entry.name === name))
      findings.push(incomplete(index, `program "${name}"`));
  }
  if (node.runtime === "bundled" && bundle.runtime.length === 0)
    findings.push(incomplete(index, "container runtime"));
  return findings;
}

function incomplete(index: BundleIndex, what: string): Finding {
  return {
    code: "BundleIncomplete",
    message: `Bundle "${index.name}" has no ${what}`,
    hint: "make the bundle again",
  };
}
