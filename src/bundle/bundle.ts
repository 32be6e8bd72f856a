import { stat } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import { AppError, type Finding } from "../errors.ts";
import { sha256File } from "../host/hash.ts";
import type { Host } from "../host/host.ts";
import { paths } from "../paths.ts";
import {
  type BinaryEntry,
  type BundleEntry,
  type BundleIndex,
  type ImageEntry,
  INDEX_FORMAT,
} from "./index-format.ts";

/** Images without which no node runs, by name. */
const NEEDED_IMAGES = [
  "pause",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
];
const NEEDED_BINARIES = ["kubelet", "kubectl"];

/** What a node is made from. */
export interface Bundle {
  readonly index: BundleIndex;
  /** Where the files are; undefined when only the index of an installed node is at hand. */
  readonly dir: string | undefined;
  /** Version of Kubernetes, for example `v1.20.2`. */
  readonly kubernetesVersion: string;
  /** @throws AppError when the bundle has no such image */
  image(name: string): ImageEntry;
  findImage(name: string): ImageEntry | undefined;
  readonly images: readonly ImageEntry[];
  readonly binaries: readonly BinaryEntry[];
  /** Absolute path of an entry's file. @throws AppError when the bundle itself is not at hand. */
  fileOf(entry: BundleEntry): string;
}

/**
 * Opens the bundle that `--bundle` or the configuration names, else the index that an earlier run left on the node.
 *
 * @param dir directory with an `index.json`, or undefined
 * @throws AppError when there is neither, or the index cannot be read
 */
export async function openBundle(host: Host, dir: string | undefined): Promise<Bundle> {
  if (dir) {
    const text = await Bun.file(join(dir, "index.json"))
      .text()
      .catch(() => undefined);
    if (text !== undefined) return bundleOf(parseIndex(text, join(dir, "index.json")), dir);
  }
  const installed = await host.read(paths.installedIndex);
  if (installed !== undefined) return bundleOf(parseIndex(installed, paths.installedIndex), undefined);
  const found = dir ? `"${dir}" has no index.json` : "none was given and this host has none installed";
  throw new AppError(`Cannot open the bundle: ${found}; expected a directory made by the stack assembly`, {
    hint: "name it with --bundle DIR",
  });
}

/** A bundle with nothing in it, for looking at a host that is no node. */
export const EMPTY_BUNDLE: Bundle = bundleOf(
  { format: INDEX_FORMAT, name: "none", platform: "", entries: [] },
  undefined,
);

function bundleOf(index: BundleIndex, dir: string | undefined): Bundle {
  const images = index.entries.filter((entry) => entry.kind === "image");
  const binaries = index.entries.filter((entry) => entry.kind !== "image");
  const findImage = (name: string) => images.find((image) => image.name === name);
  return {
    index,
    dir,
    images,
    binaries,
    findImage,
    kubernetesVersion: binaries.find((entry) => entry.name === "kubelet")?.version ?? "",
    image(name) {
      const found = findImage(name);
      if (found) return found;
      throw new AppError(`Cannot find the image "${name}" in the bundle "${index.name}"`, {
        hint: "make the bundle again",
      });
    },
    fileOf(entry) {
      if (dir) return join(dir, entry.path);
      throw new AppError(`Cannot read "${entry.path}": the bundle "${index.name}" is not at hand`, {
        hint: "name it with --bundle DIR",
      });
    },
  };
}

/**
 * Reads an index, and trusts nothing in it: paths stay inside the bundle, digests are digests.
 *
 * @param from its file, for messages
 * @throws AppError naming the entry and the field
 */
export function parseIndex(text: string, from: string): BundleIndex {
  const fail = (what: string) =>
    new AppError(`Cannot read the bundle index "${from}": ${what}`, { hint: "make the bundle again" });
  let index: BundleIndex;
  try {
    index = JSON.parse(text) as BundleIndex;
  } catch {
    throw fail("it is not JSON; the file may be cut off");
  }
  if (index?.format !== INDEX_FORMAT) throw fail(`its format is ${index?.format}; expected ${INDEX_FORMAT}`);
  if (!Array.isArray(index.entries)) throw fail("it has no list of entries");
  const seen = new Set<string>();
  for (const entry of index.entries) {
    const problem = entryProblem(entry);
    if (problem) throw fail(`entry "${entry?.name}": ${problem}`);
    const id = `${entry.kind} ${entry.name}`;
    if (seen.has(id)) throw fail(`there are two entries for ${id}`);
    seen.add(id);
  }
  return index;
}

function entryProblem(entry: BundleEntry): string | undefined {
  if (!["binary", "cni", "image"].includes(entry?.kind))
    return `kind is "${entry?.kind}"; expected binary, cni or image`;
  if (typeof entry.name !== "string" || !/^[a-z0-9][a-z0-9._-]*$/.test(entry.name))
    return "name has other characters than a-z, 0-9, dot and dash";
  if (!/^[0-9a-f]{64}$/.test(entry.sha256)) return `sha256 is "${entry.sha256}"; expected 64 hex digits`;
  if (!Number.isSafeInteger(entry.size) || entry.size < 0) return `size is ${entry.size}; expected bytes`;
  if (typeof entry.path !== "string" || entry.path === "")
    return `path is "${entry.path}"; expected a file of the bundle`;
  if (isAbsolute(entry.path) || normalize(entry.path).startsWith(".."))
    return `path "${entry.path}" leads out of the bundle`;
  if (entry.kind !== "image") return undefined;
  if (!/^sha256:[0-9a-f]{64}$/.test(entry.imageId)) return `imageId is "${entry.imageId}"; expected sha256:…`;
  if (!/^[a-z0-9][a-z0-9.:/_-]*:[\w][\w.-]{0,127}$/.test(entry.reference))
    return `reference "${entry.reference}" is not an image name with a tag`;
  return undefined;
}

/**
 * Checks a bundle before the first change to the host: complete, for this platform, and every file that will be used
 * there with its size and digest.
 *
 * @param use which entries' files will be read; digests of the others do not matter to this host
 * @returns all that is wrong, empty when good
 */
export async function checkBundle(
  bundle: Bundle,
  options: { platform: string; use: (entry: BundleEntry) => boolean },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { index, dir } = bundle;
  if (index.platform !== options.platform) {
    findings.push({
      code: "BundlePlatform",
      message: `Bundle "${index.name}" is for ${index.platform}; this host is ${options.platform}`,
      hint: "use the bundle made for this platform",
    });
  }
  for (const name of NEEDED_IMAGES)
    if (!bundle.findImage(name)) findings.push(incomplete(index, `image "${name}"`));
  for (const name of NEEDED_BINARIES) {
    if (!bundle.binaries.some((entry) => entry.name === name))
      findings.push(incomplete(index, `program "${name}"`));
  }
  if (dir) {
    const bad = await Promise.all(
      index.entries.filter(options.use).map((entry) => checkFile(entry, join(dir, entry.path))),
    );
    findings.push(...bad.filter((finding) => finding !== undefined));
  }
  return findings;
}

function incomplete(index: BundleIndex, what: string): Finding {
  return {
    code: "BundleIncomplete",
    message: `Bundle "${index.name}" has no ${what}`,
    hint: "make the bundle again",
  };
}

async function checkFile(entry: BundleEntry, path: string): Promise<Finding | undefined> {
  const hint = "copy the bundle again; the copy or its medium is damaged";
  const found = await stat(path).catch(() => undefined);
  if (!found) return { code: "BundleFileMissing", message: `Bundle file "${path}" is missing`, hint };
  if (found.size !== entry.size) {
    return {
      code: "BundleFileSize",
      message: `Bundle file "${path}" has ${found.size} bytes; expected ${entry.size}`,
      hint,
    };
  }
  const digest = await sha256File(path);
  if (digest === entry.sha256) return undefined;
  return {
    code: "BundleFileDigest",
    message: `Bundle file "${path}" has sha256 ${digest.slice(0, 16)}…; expected ${entry.sha256.slice(0, 16)}…`,
    hint,
  };
}
