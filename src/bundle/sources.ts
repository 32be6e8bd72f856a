import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, codeOf, type Finding, messageOf } from "../errors.ts";
import { sha256File } from "../host/hash.ts";
import type { BundleSource } from "./bundle.ts";
import { blobContent, type BundleFile, checkTrust, openBundleFile, type Trust } from "./bundle-file.ts";
import { fileContent } from "./content.ts";
import { entriesWithGaps } from "./gaps.ts";
import { imageArchive } from "./image-archive.ts";
import type { BundleEntry } from "./index-format.ts";
import { readStackIndex } from "./stack.ts";
import { bytesToVerify, verifyBundleFile } from "./verify.ts";

/** The running program by a name that stays good when its file is replaced or removed. */
export const SELF = "/proc/self/exe";

const COPY_AGAIN = "copy the bundle again; the copy or its medium is damaged";

/**
 * A bundle file as a source.
 *
 * @param file `isSelf`: the program before the payload is the one that runs, and is checked with the entries
 * @returns undefined when there is no such file, or it is a program without a bundle
 * @throws AppError when it is damaged, or nobody trusted has signed it
 */
export async function fileSource(
  file: { path: string; place?: string; isSelf?: boolean },
  trust: Trust,
): Promise<BundleSource | undefined> {
  const found = await stat(file.place ?? file.path).catch((error) => {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw new AppError(`Cannot open the bundle "${file.path}": ${messageOf(error)}`);
  });
  if (!found?.isFile()) return undefined;
  const opened = await openBundleFile(file);
  if (!opened) return undefined;
  checkTrust(opened, trust);
  return sourceOf(opened, { program: file.isSelf === true });
}

/** The bundle behind this program; undefined from source, and for a program without one. */
export async function ownSource(trust: Trust): Promise<BundleSource | undefined> {
  if (!Bun.isStandaloneExecutable) return undefined;
  return await fileSource({ path: process.execPath, place: SELF, isSelf: true }, trust);
}

function sourceOf(file: BundleFile, part: { program: boolean }): BundleSource {
  return {
    index: file.index,
    path: file.path,
    // One that was streamed is in its place.
    fileSize: file.gaps ? 0 : file.size,
    content: (entry) =>
      entry.kind === "image"
        ? imageArchive(entry, (digest) => blobContent(file, digest))
        : blobContent(file, entry.sha256),
    async check(entries, onBytes) {
      const damage = await verifyBundleFile(file, { ...part, only: entries, ...(onBytes && { onBytes }) });
      const damaged = damage.map(({ first, last, parts }) => ({
        code: "BundleDamaged",
        message: `Bundle "${file.path}" is damaged in bytes ${first}-${last}, which are part of ${parts.join(", ")}`,
        hint: COPY_AGAIN,
      }));
      return [...missingHere(file, entries), ...damaged];
    },
    bytesToCheck: (entries) => bytesToVerify(file, { ...part, only: entries }),
  };
}

function missingHere(file: BundleFile, entries: readonly BundleEntry[]): Finding[] {
  const names = entriesWithGaps(entries, file.gaps).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      code: "BundleIncomplete",
      message: `Bundle "${file.path}" was streamed without ${names.join(", ")}`,
      hint: "name a whole bundle with --bundle FILE",
    },
  ];
}

/**
 * A stack directory as a source. Nobody can have signed it.
 *
 * @returns undefined when there is no such directory
 * @throws AppError when its index cannot be read, or unsigned bundles are not taken
 */
export async function directorySource(dir: string, { insecure }: Trust): Promise<BundleSource | undefined> {
  const found = await stat(dir).catch(() => undefined);
  if (!found?.isDirectory()) return undefined;
  const index = await readStackIndex(dir);
  if (!insecure) {
    throw new AppError(`Cannot trust the bundle "${dir}": it is a directory, which nobody can have signed`, {
      hint: "make a bundle file of it (nodelet bundle create), or take it as it is with --insecure-bundle",
    });
  }
  const fileOf = (entry: BundleEntry) => join(dir, entry.path ?? "");
  return {
    index,
    path: dir,
    fileSize: 0,
    content: (entry) => fileContent(fileOf(entry), entry.size),
    async check(entries, onBytes) {
      const found = await Promise.all(
        entries.map(async (entry) => {
          const finding = await checkFile(entry, fileOf(entry));
          onBytes?.(entry.size);
          return finding;
        }),
      );
      return found.filter((finding) => finding !== undefined);
    },
    bytesToCheck: (entries) => entries.reduce((sum, { size }) => sum + size, 0),
  };
}

async function checkFile(entry: BundleEntry, path: string): Promise<Finding | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    return { code: "BundleFileMissing", message: `Bundle file "${path}" is missing`, hint: COPY_AGAIN };
  if (found.size !== entry.size) {
    return {
      code: "BundleFileSize",
      message: `Bundle file "${path}" has ${found.size} bytes; expected ${entry.size}`,
      hint: COPY_AGAIN,
    };
  }
  const digest = await sha256File(path);
  const wanted = entry.sha256 ?? "";
  if (digest === wanted) return undefined;
  return {
    code: "BundleFileDigest",
    message: `Bundle file "${path}" has sha256 ${digest.slice(0, 16)}…; expected ${wanted.slice(0, 16)}…`,
    hint: COPY_AGAIN,
  };
}
