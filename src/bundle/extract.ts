import { createHash } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeError } from "../host/atomic.ts";
import { type BundleFile, blobContent } from "./bundle-file.ts";
import type { Content } from "./content.ts";
import { imageArchive } from "./image-archive.ts";
import { type BundleEntry, type BundleIndex, INDEX_FORMAT } from "./index-format.ts";
import { replaceFile } from "./replace-file.ts";

/**
 * Writes entries of a bundle file into a directory, laid out as a stack directory: images as docker archives. The names were judged
 * when the index was read, so none leads out of it.
 *
 * @param options `onBytes`: told of every piece written
 * @returns the entries as they stand in a stack directory's index
 * @throws AppError when the bundle is damaged; what was written whole stays
 */
export async function extractEntries(
  file: BundleFile,
  options: { entries: readonly BundleEntry[]; to: string; onBytes?: (bytes: number) => void },
): Promise<BundleEntry[]> {
  const written: BundleEntry[] = [];
  for (const entry of options.entries) {
    const path = pathOf(entry);
    const target = join(options.to, path);
    await mkdir(dirname(target), { recursive: true }).catch((error) => {
      throw writeError(target, error);
    });
    const content =
      entry.kind === "image"
        ? imageArchive(entry, (digest) => blobContent(file, digest))
        : blobContent(file, entry.sha256);
    const mode = modeOf(entry);
    const { size, sha256 } = await writeContent(content, { target, mode, onBytes: options.onBytes });
    const { layers: _, ...rest } = entry as BundleEntry & { layers?: string[] };
    written.push({ ...rest, path, size, sha256 } as BundleEntry);
  }
  return written;
}

/** The index of a stack directory that was extracted as a whole. */
export function stackIndex(file: BundleFile, entries: readonly BundleEntry[]): BundleIndex {
  const { name, platform, links } = file.index;
  return { format: INDEX_FORMAT, name, platform, entries: [...entries], ...(links && { links }) };
}

function pathOf({ kind, name }: BundleEntry): string {
  const dir = {
    binary: "bin",
    cni: "cni",
    image: "images",
    runtime: "runtime",
    licence: "licences",
    manifest: "manifests",
  };
  return kind === "image" ? `images/${name}.tar` : `${dir[kind]}/${name}`;
}

function modeOf(entry: BundleEntry): number {
  if (entry.kind === "runtime") return entry.mode;
  return entry.kind === "binary" || entry.kind === "cni" ? 0o755 : 0o644;
}

async function writeContent(
  content: Content,
  { target, mode, onBytes }: { target: string; mode: number; onBytes: ((bytes: number) => void) | undefined },
): Promise<{ size: number; sha256: string }> {
  return await replaceFile(target, async (temporary) => {
    const hash = createHash("sha256");
    let size = 0;
    await using file = await open(temporary, "wx", 0o600);
    for await (const piece of content.stream()) {
      await file.writeFile(piece);
      hash.update(piece);
      size += piece.length;
      onBytes?.(piece.length);
    }
    await file.chmod(mode);
    return { size, sha256: hash.digest("hex") };
  });
}
