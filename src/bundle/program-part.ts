import { createHash } from "node:crypto";
import { copyFile, open, truncate } from "node:fs/promises";
import { AppError, messageOf } from "../errors.ts";
import { openBundleFile } from "./bundle-file.ts";
import { type OpenFile, readRange, release } from "./chunks.ts";
import { piecesOf } from "./compress.ts";
import { ELF_HEADER_SIZE, programEnd } from "./elf.ts";
import type { PackedIndex } from "./index-format.ts";

/**
 * Copies an executable to where a bundle file begins, without a payload that it may have.
 *
 * @param target the file to make
 * @returns what the index says about it
 * @throws AppError when it cannot be read, is no executable, or has a damaged payload
 */
export async function placeProgram(source: string, target: string): Promise<PackedIndex["program"]> {
  await checkExecutable(source);
  const old = await openBundleFile({ path: source });
  await copyFile(source, target);
  if (old) await truncate(target, old.trailer.payloadOffset);
  await using handle = await open(target, "r");
  return await programOf({ handle, path: source });
}

async function checkExecutable(path: string): Promise<void> {
  const fail = (what: string) =>
    new AppError(`Cannot take "${path}" as the program: ${what}`, {
      hint: "name an executable with --program FILE",
    });
  await using handle = await open(path, "r").catch((error) => {
    throw fail(messageOf(error));
  });
  const found = await handle.stat();
  if (!found.isFile()) throw fail("it is no file");
  const header = await readRange({ handle, path }, { at: 0, size: Math.min(found.size, ELF_HEADER_SIZE) });
  if (programEnd(header) === undefined) throw fail("it is no executable for 64-bit Linux");
}

async function programOf(file: OpenFile): Promise<PackedIndex["program"]> {
  const { size } = await file.handle.stat();
  const whole = createHash("sha256");
  const chunks: string[] = [];
  for (const piece of piecesOf({ offset: 0, size })) {
    const bytes = await readRange(file, piece);
    whole.update(bytes);
    chunks.push(createHash("sha256").update(bytes).digest("hex"));
    release(bytes);
  }
  return { size, sha256: whole.digest("hex"), chunks };
}
