import { resolve } from "node:path";
import { createBundle, type CreateOptions } from "../bundle/create.ts";
import { extractEntries, stackIndex } from "../bundle/extract.ts";
import { signBundle } from "../bundle/sign.ts";
import { newKeyPair, readPrivateKey } from "../bundle/trust.ts";
import { AppError, ExitCode, messageOf, UsageError } from "../errors.ts";
import { writeAtomically } from "../host/atomic.ts";
import { sizeText } from "../size-text.ts";
import { type BundleOptions, openGiven } from "./bundle.ts";
import { type Io, type OutputFormat, showResult } from "./io.ts";
import { meter } from "./meter.ts";
import { duration } from "./progress.ts";

/** Options of `nodelet bundle create`. */
export interface CreateCommand {
  /** One of the two. */
  stack?: string;
  bundle?: string;
  out: string;
  /** An executable, or false for a bundle that is a file of its own; this program when absent. */
  program?: string | false;
  key?: string;
  level?: string;
  leaveOut?: string[];
  /** `NAME=FILE` */
  manifest?: string[];
  image?: string[];
  output: OutputFormat;
}

/** `nodelet bundle create` */
export async function create(io: Io, { options }: { options: CreateCommand }): Promise<number> {
  const begun = performance.now();
  const level = options.level === undefined ? undefined : Number(options.level);
  if (level !== undefined && !(Number.isInteger(level) && level >= 1 && level <= 22))
    throw new UsageError(`Cannot compress with level "${options.level}"; expected 1 to 22`);
  const program = programOf(options);
  let shown: ReturnType<typeof meter> | undefined;
  let before = 0;
  const { size, plain } = await createBundle({
    from: await contentOf(options),
    out: resolve(options.out),
    ...(program && { program }),
    ...(level && { level }),
    ...(options.key && { key: await privateKey(options.key) }),
    onBytes(done, total) {
      shown ??= meter(io, { what: "compress", total });
      shown.add(done - before);
      before = done;
    },
  });
  shown?.end();
  const ms = Math.round(performance.now() - begun);
  showResult(io, {
    format: options.output,
    result: { path: resolve(options.out), size, plain, signed: options.key !== undefined, ms },
    table: `${options.out}: ${sizeText(size)} for ${sizeText(plain)} of content, ${options.key ? "signed" : "not signed"}, ${duration(ms)}\n`,
  });
  return ExitCode.ok;
}

async function contentOf(options: CreateCommand): Promise<CreateOptions["from"]> {
  const { stack, bundle, leaveOut, manifest: manifests = [], image: images = [] } = options;
  if ((stack === undefined) === (bundle === undefined))
    throw new UsageError(
      "Cannot tell what goes into the bundle; expected --stack DIR, or --bundle FILE to take its payload",
    );
  const add = { manifests, images };
  if (bundle === undefined) return { stack: resolve(stack ?? ""), add, ...(leaveOut && { leaveOut }) };
  if (manifests.length + images.length === 0) return { bundle: await openGiven({ bundle }) };
  throw new UsageError(
    "Cannot add to the payload of a bundle; expected --stack DIR, made with nodelet bundle extract --to DIR",
  );
}

function programOf({ program }: CreateCommand): string | undefined {
  if (program === false) return undefined;
  if (typeof program === "string") return resolve(program);
  if (Bun.isStandaloneExecutable) return process.execPath;
  throw new UsageError(
    "Cannot tell which program goes into the appliance; expected --program FILE or --no-program",
  );
}

async function privateKey(path: string) {
  const text = await Bun.file(path)
    .text()
    .catch((error: unknown) => {
      throw new AppError(`Cannot read the key "${path}": ${messageOf(error)}`, {
        hint: "make one: nodelet bundle keygen NAME",
      });
    });
  return readPrivateKey(text, `"${path}"`);
}

/** `nodelet bundle sign`: a kill in the middle leaves the file as it was. */
export async function sign(
  io: Io,
  { options }: { options: BundleOptions & { bundle: string; key: string } },
): Promise<number> {
  const file = await openGiven(options);
  const fingerprint = await signBundle(file, await privateKey(options.key));
  showResult(io, {
    format: options.output,
    result: { path: file.path, key: fingerprint },
    table: `${file.path} is signed by ${fingerprint}\n`,
  });
  return ExitCode.ok;
}

/** `nodelet bundle keygen`: writes NAME.key and NAME.pub, and never over another key. */
export async function keygen(
  io: Io,
  { options, name }: { options: { output: OutputFormat }; name: string },
): Promise<number> {
  const files = { key: resolve(`${name}.key`), pub: resolve(`${name}.pub`) };
  for (const file of Object.values(files)) {
    if (await Bun.file(file).exists())
      throw new AppError(`Cannot make the key "${file}": there is one already`, {
        hint: "choose another name",
      });
  }
  const pair = newKeyPair();
  await writeAtomically(files.key, pair.privateKey, { mode: 0o600 });
  await writeAtomically(files.pub, `${pair.publicKey}\n`, { mode: 0o644 });
  showResult(io, {
    format: options.output,
    result: { ...files, fingerprint: pair.fingerprint, publicKey: pair.publicKey },
    table: `${files.key} signs bundles: keep it where nobody else reads it\n${files.pub} lets hosts trust them; fingerprint ${pair.fingerprint}\n`,
  });
  return ExitCode.ok;
}

/** `nodelet bundle extract`: all of it as a stack directory, or the named entries. */
export async function extract(
  io: Io,
  { options, names }: { options: BundleOptions & { to: string }; names: readonly string[] },
): Promise<number> {
  const file = await openGiven(options);
  const unknown = names.find((name) => !file.index.entries.some((entry) => entry.name === name));
  if (unknown) {
    throw new AppError(`Cannot extract "${unknown}": the bundle "${file.index.name}" has no such entry`, {
      hint: "nodelet bundle inspect -o json lists them",
    });
  }
  const entries = file.index.entries.filter(({ name }) => names.length === 0 || names.includes(name));
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  const shown = meter(io, { what: "extract", total });
  const to = resolve(options.to);
  const written = await extractEntries(file, { entries, to, onBytes: shown.add });
  shown.end();
  if (names.length === 0)
    await writeAtomically(`${to}/index.json`, `${JSON.stringify(stackIndex(file, written), null, 2)}\n`, {
      mode: 0o644,
    });
  showResult(io, {
    format: options.output,
    result: { to, files: written.map(({ path, size, sha256 }) => ({ path, size, sha256 })) },
    table: `${written.length} files, ${sizeText(total)}, are in ${to}\n`,
  });
  return ExitCode.ok;
}
