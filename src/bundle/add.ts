import { open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { AppError } from "../errors.ts";
import { sha256File } from "../host/hash.ts";
import { digestOfRange } from "./compress.ts";
import { readEntry } from "./entry-rules.ts";
import { readArchive } from "./image-archive.ts";
import type { BundleEntry } from "./index-format.ts";

/** What goes into a bundle beside its stack: what a site takes from elsewhere, a network plugin for example. */
export interface Additions {
  /** `NAME=FILE` */
  manifests: readonly string[];
  /** Docker archives of one image each. */
  images: readonly string[];
}

/** An entry, and the file that holds it. */
export type Added = BundleEntry & { path: string };

/**
 * Reads the files of additions, as entries of a stack; their paths are absolute.
 *
 * @param options `platform`: of the stack; nothing says which one a file is for
 * @throws AppError naming what cannot be added and why
 */
export async function readAdditions(
  { manifests, images }: Additions,
  { platform }: { platform: string },
): Promise<Added[]> {
  const entries = [
    ...(await Promise.all(manifests.map((given) => manifestOf(given)))),
    ...(await Promise.all(images.map((file) => imageOf(resolve(file))))),
  ];
  return entries.map((entry) => {
    const { path, ...own } = entry;
    const read = readEntry({ ...own, platform });
    if (typeof read === "string") throw cannotAdd(path, read);
    return { ...read, path };
  });
}

const cannotAdd = (file: string, why: string, hint?: string) =>
  new AppError(`Cannot add "${file}" to a bundle: ${why}`, hint ? { hint } : {});

async function manifestOf(given: string) {
  const [, name, file] = /^([^=]+)=(.+)$/s.exec(given) ?? [];
  if (!name || !file) throw cannotAdd(given, "expected NAME=FILE, for example calico=calico.yaml");
  const path = resolve(file);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw cannotAdd(path, "there is no such file");
  const sha256 = await sha256File(path);
  const version = sha256.slice(0, 12);
  return { kind: "manifest", name, version, path, size: found.size, sha256, source: basename(path) };
}

/** Named by its reference: docker.io/calico/node:v3.18.1 is calico-node, version v3.18.1. */
async function imageOf(path: string) {
  await using handle = await open(path, "r").catch(() => {
    throw cannotAdd(path, "there is no such file");
  });
  const { config, references } = await readArchive({ handle, path });
  const [reference] = references;
  if (!reference || references.length > 1) {
    const found =
      references.length === 0 ? "its image has no name" : `its image has ${references.length} names`;
    throw cannotAdd(path, `${found}; expected one`, "save it again: docker save NAME:TAG");
  }
  const digest = await digestOfRange({ file: path, offset: config.offset, size: config.size });
  const colon = reference.lastIndexOf(":");
  const [first = "", ...rest] = reference.slice(0, colon).split("/");
  const words = /[.:]/.test(first) && rest.length > 0 ? rest : [first, ...rest];
  return {
    kind: "image",
    name: words.join("-"),
    version: reference.slice(colon + 1),
    reference,
    imageId: `sha256:${digest}`,
    path,
    size: (await handle.stat()).size,
    source: basename(path),
  };
}
