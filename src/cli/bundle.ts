import { type BundleFile, openBundleFile } from "../bundle/bundle-file.ts";
import { type BundleEntry, CHUNK_SIZE } from "../bundle/index-format.ts";
import { digestsOf } from "../bundle/index-rules.ts";
import { signerOf } from "../bundle/signature.ts";
import { builtInKeys, readPublicKey, type TrustedKey } from "../bundle/trust.ts";
import { bytesToVerify, type Damage, verifyBundleFile } from "../bundle/verify.ts";
import { AppError, ExitCode } from "../errors.ts";
import { pretty } from "../host/run.ts";
import { sizeText } from "../size-text.ts";
import { type Io, type OutputFormat, showResult } from "./io.ts";
import { meter } from "./meter.ts";
import { duration } from "./progress.ts";

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
    bundle !== undefined || own
      ? await openBundleFile({ path, ...(own && { place: "/proc/self/exe" }) })
      : undefined;
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
interface Signers {
  /** Fingerprints, as the signatures claim. */
  signatures: string[];
  signedBy: string | null;
}

async function signersOf(file: BundleFile, { trustedKey }: BundleOptions): Promise<Signers> {
  const trusted = [...builtInKeys(), ...(trustedKey ? [await keyOf(trustedKey)] : [])];
  const { signatures } = file;
  const signer = signerOf(file.indexBytes, { signatures, trusted });
  return { signatures: signatures.map(({ key }) => key), signedBy: signer?.fingerprint ?? null };
}

function signedText({ signatures, signedBy }: Signers): string {
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

/** `nodelet bundle verify`: reads all of it. @returns 1 when it is damaged, or nobody trusted has signed it */
export async function verify(
  io: Io,
  { options }: { options: BundleOptions & { insecureBundle?: boolean } },
): Promise<number> {
  const file = await openGiven(options);
  const signers = await signersOf(file, options);
  const begun = performance.now();
  const total = bytesToVerify(file);
  const shown = meter(io, { what: "verify the bundle", total });
  const found = await verifyBundleFile(file, { onBytes: shown.add });
  shown.end();
  const ms = Math.round(performance.now() - begun);
  const trusted = signers.signedBy !== null || options.insecureBundle === true;
  const damage = found.map((one) => ({ ...one, repair: repairOf(one, file.path) }));
  const good = damage.length === 0 && trusted;
  const speed = `${duration(ms)}, ${sizeText((total / Math.max(ms, 1)) * 1000)}/s`;
  const lines = [
    `${file.index.name}: ${damage.length === 0 ? `all ${sizeText(total)} are as they were made` : "damaged"} (${speed})`,
    ...damage.map(
      ({ first, last, parts, repair }) =>
        `bytes ${first}-${last} are damaged: ${parts.join(", ")}; copy them again from a good one:\n  ${repair}`,
    ),
    trusted
      ? signedText(signers)
      : `${signedText(signers)}: name the maker's key with --trusted-key FILE, or be content with --insecure-bundle`,
  ];
  const result = { path: file.path, name: file.index.name, bytes: total, ms, good, ...signers, damage };
  showResult(io, { format: options.output, result, table: `${lines.join("\n")}\n` });
  return good ? ExitCode.ok : ExitCode.failed;
}

/** What copies a stretch alone, in whole blocks, as every dd can. */
function repairOf({ first, last }: Damage, path: string): string {
  const skip = Math.floor(first / CHUNK_SIZE);
  const count = Math.floor(last / CHUNK_SIZE) - skip + 1;
  return pretty([
    "dd",
    "if=GOOD",
    `of=${path}`,
    `bs=${CHUNK_SIZE}`,
    `skip=${skip}`,
    `seek=${skip}`,
    `count=${count}`,
    "conv=notrunc",
  ]);
}
