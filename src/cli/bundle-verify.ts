import type { BundleFile } from "../bundle/bundle-file.ts";
import { entriesWithGaps } from "../bundle/gaps.ts";
import { CHUNK_SIZE } from "../bundle/index-format.ts";
import { bytesToVerify, type Damage, verifyBundleFile } from "../bundle/verify.ts";
import { ExitCode } from "../errors.ts";
import { pretty } from "../host/run.ts";
import { sizeText } from "../size-text.ts";
import { type BundleOptions, openGiven, signedText, signersOf } from "./bundle.ts";
import { type Io, showResult } from "./io.ts";
import { meter } from "./meter.ts";
import { duration } from "./progress.ts";

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
    ...gapsText(file),
    ...damage.map(
      ({ first, last, parts, repair }) =>
        `bytes ${first}-${last} are damaged: ${parts.join(", ")}; copy them again from a good one:\n  ${repair}`,
    ),
    trusted
      ? signedText(signers)
      : `${signedText(signers)}: name the maker's key with --trusted-key FILE, or be content with --insecure-bundle`,
  ];
  const missing = entriesWithGaps(file.index.entries, file.gaps).map(({ name }) => name);
  const result = {
    path: file.path,
    name: file.index.name,
    bytes: total,
    ms,
    good,
    ...signers,
    missing,
    damage,
  };
  showResult(io, { format: options.output, result, table: `${lines.join("\n")}\n` });
  return good ? ExitCode.ok : ExitCode.failed;
}

/** What is not on this node is no damage. */
function gapsText({ index, gaps }: BundleFile): string[] {
  if (!gaps) return [];
  const names = entriesWithGaps(index.entries, gaps).map(({ name }) => name);
  return [`streamed, without ${[...(gaps.program ? ["the program"] : []), ...names].join(", ")}`];
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
