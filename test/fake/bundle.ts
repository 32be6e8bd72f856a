import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BundleEntry, type BundleIndex, INDEX_FORMAT } from "../../src/bundle/index-format.ts";
import { sha256 } from "../../src/host/hash.ts";

/** The images of the smallest complete bundle. */
export const IMAGES = [
  "pause",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "haproxy",
] as const;

const common = { version: "v1.20.2", source: "made by a test", platform: "linux/amd64" };

/** What the file of an entry holds: a few bytes that name it. */
export function contentOf(name: string): string {
  return `the file of ${name}\n`;
}

/** An image entry as the stack assembly writes it. */
export function imageEntry(name: string): BundleEntry {
  const path = `images/${name}.tar`;
  const imageId = `sha256:${sha256(`image ${name}`)}`;
  return { ...fileEntry(name, path), kind: "image", reference: `nodelet.local/${name}:v1`, imageId };
}

/** A program of the host, or a network plugin. */
export function binaryEntry(name: string, kind: "binary" | "cni" = "binary"): BundleEntry {
  return { ...fileEntry(name, `${kind}/${name}`), kind };
}

/** A manifest; the test writes it to its path. */
export function manifestEntry(name: string, content: string): BundleEntry {
  return { ...fileEntry(name, `manifests/${name}`, content), kind: "manifest" };
}

function fileEntry(name: string, path: string, content = contentOf(name)) {
  return { ...common, name, path, size: Buffer.byteLength(content), sha256: sha256(content) };
}

/** The index of a small complete bundle. @param more entries beside the needed ones */
export function fakeIndex(more: readonly BundleEntry[] = []): BundleIndex {
  const programs = [binaryEntry("kubelet"), binaryEntry("kubectl"), binaryEntry("bridge", "cni")];
  const entries = [...IMAGES.map(imageEntry), ...programs, ...more];
  return { format: INDEX_FORMAT, name: "test-1.20.2", platform: "linux/amd64", entries };
}

/** Writes a bundle into a directory: the index and the small files that it names. */
export async function writeBundle(dir: string, index: BundleIndex = fakeIndex()): Promise<BundleIndex> {
  for (const entry of index.entries) {
    const place = join(dir, entry.path ?? "");
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, contentOf(entry.name));
  }
  await writeFile(join(dir, "index.json"), JSON.stringify(index));
  return index;
}
