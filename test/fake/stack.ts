import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type {
  BundleEntry,
  BundleIndex,
  ImageEntry,
  RuntimeLinkEntry,
} from "../../src/bundle/index-format.ts";
import { sha256 } from "../../src/host/hash.ts";
import { IMAGES } from "./bundle.ts";

/** A stack directory with real archives in it, and what they hold. */
export interface FakeStack {
  dir: string;
  index: BundleIndex;
  /** Plain content by name: of a program its file, of an image its configuration and then its layers. */
  files: Map<string, Buffer>;
  images: Map<string, Buffer[]>;
}

/** A layer that two images have. */
export const SHARED_LAYER = bytesOf(7, 30_000);

const common = { version: "v1.20.2", source: "made by a test", platform: "linux/amd64" };

/** Bytes that compress to about half, the same ones for a seed. */
export function bytesOf(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = (state >>> 24) & 15;
  }
  return bytes;
}

/** A file or link of an archive. */
export interface TarFile {
  name: string;
  content?: Buffer;
  /** A symbolic link to this name. */
  link?: string;
}

/** A tar archive, made by hand so that the reader is not tested with its own writer. */
export function tarOf(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap(({ name, content = Buffer.alloc(0), link = "" }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000644\0" + "0000000\0".repeat(2), 100);
    header.write(content.length.toString(8).padStart(11, "0"), 124);
    header.write("00000000000\0" + " ".repeat(8) + (link ? "2" : name.endsWith("/") ? "5" : "0"), 136);
    header.write(link, 157);
    header.write("ustar\0" + "00", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0`, 148);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** The archive of an image as the stack assembly writes it: layers by their digests. */
export function assembledArchive(config: Buffer, layers: readonly Buffer[]): Buffer {
  const names = layers.map((layer) => `${sha256(layer)}/layer.tar`);
  return tarOf([
    { name: "manifest.json", content: manifest(`${sha256(config)}.json`, names) },
    { name: `${sha256(config)}.json`, content: config },
    ...layers.map((content, at) => ({ name: names[at] ?? "", content })),
  ]);
}

/** The archive of an image as Docker 20.10 saves it: directories, and a link for a layer that is there already. */
export function savedArchive(
  config: Buffer,
  layers: readonly Buffer[],
  { references = null }: { references?: readonly string[] | null } = {},
): Buffer {
  const names = layers.map((_, at) => `${String(at).repeat(64)}/layer.tar`);
  const files = layers.flatMap((content, at) => {
    const first = layers.findIndex((layer) => layer.equals(content));
    const file: TarFile = { name: names[at] ?? "" };
    const dir = dirname(file.name);
    return [
      { name: `${dir}/` },
      { name: `${dir}/VERSION`, content: Buffer.from("1.0") },
      first < at ? { ...file, link: `../${names[first]}` } : { ...file, content },
    ];
  });
  const last = { name: "manifest.json", content: manifest("config.json", names, { references }) };
  return tarOf([...files, { name: "config.json", content: config }, last]);
}

function manifest(
  Config: string,
  Layers: readonly string[],
  { references = null }: { references?: readonly string[] | null } = {},
): Buffer {
  return Buffer.from(JSON.stringify([{ Config, RepoTags: references, Layers }]));
}

/**
 * Writes a small complete stack: the needed images, two of them with a layer in common and one as Docker saves it, programs,
 * files of the runtime with a link, and a licence.
 *
 * @param more files beside them, as content of binaries by name
 */
export async function writeStack(
  dir: string,
  more: Readonly<Record<string, Buffer>> = {},
): Promise<FakeStack> {
  const stack: FakeStack = {
    dir,
    index: { format: 2, name: "test-1.20.2", platform: "linux/amd64", entries: [], links: [LINK] },
    files: new Map(),
    images: new Map(),
  };
  for (const [at, name] of IMAGES.entries()) await addImage(stack, { name, layers: layersOf(name, at) });
  const programs = { kubelet: bytesOf(1, 50_000), kubectl: Buffer.from("#!/bin/sh\n"), ...more };
  for (const [name, content] of Object.entries(programs))
    await addFile(stack, { kind: "binary", name }, content);
  await addFile(stack, { kind: "cni", name: "bridge" }, bytesOf(2, 100));
  await addFile(stack, { kind: "runtime", name: "bin/dockerd", mode: 0o755 }, bytesOf(3, 1000));
  await addFile(stack, { kind: "runtime", name: "lib/libx.so.1", mode: 0o644 }, bytesOf(4, 1000));
  await addFile(stack, { kind: "licence", name: "docker.io" }, Buffer.from("Apache-2.0\n"));
  await writeFile(join(dir, "index.json"), JSON.stringify(stack.index, null, 2));
  return stack;
}

const LINK: RuntimeLinkEntry = { kind: "runtime-link", name: "lib/libx.so", target: "libx.so.1" };

function layersOf(name: string, at: number): Buffer[] {
  const own = bytesOf(100 + at, 2000);
  if (name === "etcd") return [own, Buffer.alloc(0), own];
  return name === "kube-apiserver" || name === "kube-scheduler" ? [SHARED_LAYER, own] : [own];
}

async function addImage(
  stack: FakeStack,
  { name, layers }: { name: string; layers: Buffer[] },
): Promise<void> {
  const config = Buffer.from(JSON.stringify({ os: "linux", made: name }));
  const archive = name === "etcd" ? savedArchive(config, layers) : assembledArchive(config, layers);
  stack.images.set(name, [config, ...layers]);
  const imageId = `sha256:${sha256(config)}`;
  const what: Partial<ImageEntry> = { kind: "image", name, reference: `nodelet.local/${name}:v1`, imageId };
  await addFile(stack, what, archive);
}

async function addFile(stack: FakeStack, what: Partial<BundleEntry>, content: Buffer): Promise<void> {
  const path = `${what.kind}/${what.name}`;
  const place = join(stack.dir, path);
  await mkdir(dirname(place), { recursive: true });
  await writeFile(place, content);
  if (what.kind === "binary") await chmod(place, 0o755);
  stack.files.set(what.name ?? "", content);
  const entry = { ...common, ...what, path, size: content.length, sha256: sha256(content) };
  stack.index.entries.push(entry as BundleEntry);
}
