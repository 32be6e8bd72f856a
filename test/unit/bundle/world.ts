import { createHash } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { type BundleFile, openBundleFile } from "../../../src/bundle/bundle-file.ts";
import type { Content } from "../../../src/bundle/content.ts";
import { createBundle, type CreateOptions } from "../../../src/bundle/create.ts";
import type { PackedIndex } from "../../../src/bundle/index-format.ts";
import { encodeTrailer } from "../../../src/bundle/trailer.ts";
import { newKeyPair, readPrivateKey, readPublicKey } from "../../../src/bundle/trust.ts";
import { AppError } from "../../../src/errors.ts";
import { type FakeStack, writeStack } from "../../fake/stack.ts";
import { type TmpRoot, tmpRoot } from "../../fake/root.ts";

/** A directory with a stack, and what is made of it. */
export interface BundleWorld extends AsyncDisposable {
  root: TmpRoot;
  stack: FakeStack;
  /** Makes a bundle file of the stack. @returns it, opened */
  create(options?: Partial<CreateOptions> & { name?: string }): Promise<BundleFile>;
  /** A file to use as the program. */
  program(): Promise<string>;
}

/** Makes it; `await using` removes it. @param more as in {@linkcode writeStack} */
export async function bundleWorld(more?: Readonly<Record<string, Buffer>>): Promise<BundleWorld> {
  const root = await tmpRoot();
  const stack = await writeStack(root.place("/stack"), more);
  return {
    root,
    stack,
    async create({ name = "test.bundle", ...options } = {}) {
      const out = root.place(`/${name}`);
      await createBundle({ from: { stack: stack.dir }, out, level: 1, ...options });
      return await opened(out);
    },
    async program() {
      const path = root.place("/program");
      await writeFile(path, elf(5000), { mode: 0o755 });
      return path;
    },
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

/** The smallest thing that passes for an executable: a header, whose sections end where the file does. */
export function elf(size: number): Buffer {
  const bytes = Buffer.alloc(size, 0x90);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes.writeUInt16LE(0x0102, 4);
  bytes.writeBigUInt64LE(BigInt(size - 128), 40);
  bytes.writeUInt16LE(64, 58);
  bytes.writeUInt16LE(2, 60);
  return bytes;
}

/** A pair of keys, as the program uses them. */
export function keyPair() {
  const { privateKey, publicKey, fingerprint } = newKeyPair();
  return {
    fingerprint,
    publicKey,
    privateKey: readPrivateKey(privateKey, "a test"),
    trusted: readPublicKey(publicKey, "a test"),
  };
}

/** Opens a file that must be a bundle. */
export async function opened(path: string): Promise<BundleFile> {
  const file = await openBundleFile({ path });
  if (!file) throw new Error(`no bundle: ${path}`);
  return file;
}

/** All that content holds. */
export async function bytesIn(content: Content): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content.stream()) pieces.push(Uint8Array.from(piece));
  return Buffer.concat(pieces);
}

/** What work is refused with; a path of this machine is shown as `FILE`. */
export async function refusal(work: () => unknown, path = "\0"): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `${error.message}; ${error.hint}`.replaceAll(path, "FILE");
  }
  return "nothing was refused";
}

/** What an index is refused with, without the words that are always there. */
export async function indexRefusal(parse: () => unknown): Promise<string> {
  const message = await refusal(parse);
  const always = /^Cannot read the bundle index "[^"]*": (.*); make the bundle again$/s.exec(message);
  return always?.[1] ?? message;
}

/**
 * Writes another index into a bundle file, as a maker of evil bundles would: with all digests around it right.
 *
 * @param change changes the index, or gives the text that stands for it
 */
export async function withIndex(
  { path, index, trailer }: BundleFile,
  change: (index: PackedIndex) => string | object | void,
): Promise<void> {
  const copy = structuredClone(index);
  const changed = change(copy) ?? copy;
  const bytes = Buffer.from(typeof changed === "string" ? changed : JSON.stringify(changed));
  const indexSha256 = createHash("sha256").update(bytes).digest("hex");
  const end = encodeTrailer({ ...trailer, indexSize: bytes.length, signaturesSize: 0, indexSha256 });
  await truncate(path, trailer.indexOffset);
  await writeFile(path, Buffer.concat([bytes, end]), { flag: "a" });
}

/** Changes bytes of a file. */
export async function withBytes(path: string, change: (bytes: Buffer) => Buffer | void): Promise<void> {
  const bytes = await readFile(path);
  await writeFile(path, change(bytes) ?? bytes);
}
