import { type BundleFile, openBundleFile } from "../bundle/bundle-file.ts";
import type { BundleEntry } from "../bundle/index-format.ts";
import { digestsOf } from "../bundle/index-rules.ts";
import { signerOf } from "../bundle/signature.ts";
import { SELF } from "../bundle/sources.ts";
import { builtInKeys, readPublicKey, type TrustedKey } from "../bundle/trust.ts";
import { AppError, ExitCode } from "../errors.ts";
import { sizeText } from "../size-text.ts";
import { type Io, type OutputFormat, showResult } from "./io.ts";

/** Options that the commands on a bundle share. */
export interface BundleOptions {
  /** A bundle file; this program itself when absent. */
  bundle?: string;
  trustedKey?: string;
  output: OutputFormat;
}

/** Opens the bundle that a command is about. @throws AppError when there is none */
export async function openGiven({ bundle }: Pick<BundleOptions, "bundle">): Promise<BundleFile> {
  const own = bundle === undefined && Bun.isStandaloneExecutable;
  const path = bundle ?? process.execPath;
  const file =
    bundle !== undefined || own ? await openBundleFile({ path, ...(own && { place: SELF }) }) : undefined;
  if (file) return file;
  throw new AppError(`Cannot find a bundle in "${path}": it is a program with nothing behind it`, {
    hint: "name a bundle with --bundle FILE, or make one: nodelet bundle create",
  });
}

/** A public key as the command line gives it: its file, or the line itself. */
export async function keyOf(given: string): Promise<TrustedKey> {
  if (given.startsWith("ed25519:")) return readPublicKey(given, "--trusted-key");
  const text = await Bun.file(given)
    .text()
    .catch(() => {
      throw new AppError(`Cannot read the key "${given}": there is no such file`, {
        hint: 'expected the file NAME.pub that "nodelet bundle keygen" wrote',
      });
    });
  return readPublicKey(text, `"${given}"`);
}

/** `nodelet bundle inspect` */
export async function inspect(io: Io, { options }: { options: BundleOptions }): Promise<number> {
  const file = await openGiven(options);
  const { index, trailer, size } = file;
  const result = {
    path: file.path,
    format: trailer.format,
    name: index.name,
    platform: index.platform,
    size,
    programSize: trailer.payloadOffset,
    payloadSize: trailer.indexOffset - trailer.payloadOffset,
    plainSize: index.blobs.reduce((sum, blob) => sum + blob.size, 0),
    indexSha256: trailer.indexSha256,
    ...(await signersOf(file, options)),
    entries: index.entries.map((entry) => ({ ...entry, stored: storedOf(file, entry) })),
    links: index.links ?? [],
  };
  const kinds = Map.groupBy(index.entries, ({ kind }) => kind);
  const lines = [
    `${index.name} for ${index.platform}, format ${trailer.format}, ${signedText(result)}`,
    `${sizeText(size)}: program ${sizeText(trailer.payloadOffset)}, payload ${sizeText(result.payloadSize)} (${sizeText(result.plainSize)} unpacked)`,
    `index sha256 ${trailer.indexSha256}`,
    [...kinds].map(([kind, list]) => `${list.length} ${kind}`).join(", "),
  ];
  showResult(io, { format: options.output, result, table: `${lines.join("\n")}\n` });
  return ExitCode.ok;
}

/** Who has signed a bundle, and who of them is trusted. */
export interface Signers {
  /** Fingerprints, as the signatures claim. */
  signatures: string[];
  signedBy: string | null;
}

/** Judges the signatures of a bundle by the keys of this program and the given one. */
export async function signersOf(file: BundleFile, { trustedKey }: BundleOptions): Promise<Signers> {
  const trusted = [...builtInKeys(), ...(trustedKey ? [await keyOf(trustedKey)] : [])];
  const { signatures } = file;
  const signer = signerOf(file.indexBytes, { signatures, trusted });
  return { signatures: signatures.map(({ key }) => key), signedBy: signer?.fingerprint ?? null };
}

/** Who has signed it, in words. */
export function signedText({ signatures, signedBy }: Signers): string {
  if (signedBy !== null) return `signed by ${signedBy}`;
  return signatures.length === 0
    ? "not signed"
    : `not signed by a trusted key, but by ${signatures.join(", ")}`;
}

function storedOf({ index }: BundleFile, entry: BundleEntry): number {
  const digests = digestsOf(entry);
  const blobs = index.blobs.filter(({ sha256 }) => digests.includes(sha256));
  return blobs.reduce((sum, { stored }) => sum + stored, 0);
}

/** `nodelet bundle list-images` */
export async function listImages(io: Io, { options }: { options: BundleOptions }): Promise<number> {
  const { index } = await openGiven(options);
  const images = index.entries.filter((entry) => entry.kind === "image");
  const result = images.map(({ reference, imageId, size, layers = [] }) => ({
    reference,
    imageId,
    size,
    layers: layers.length,
  }));
  const rows = result.map(({ reference, imageId, size }) => [
    reference,
    imageId.slice(7, 19),
    sizeText(size),
  ]);
  showResult(io, { format: options.output, result, table: { columns: ["IMAGE", "ID", "SIZE"], rows } });
  return ExitCode.ok;
}
