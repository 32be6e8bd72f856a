import type { KeyObject } from "node:crypto";
import { copyFile, open } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDir } from "../host/atomic.ts";
import type { BundleFile } from "./bundle-file.ts";
import { writeEnding } from "./ending.ts";
import { replaceFile } from "./replace-file.ts";
import { signIndex } from "./signature.ts";

/**
 * Signs a bundle file that exists. A signature by the same key is replaced; others stay.
 *
 * @returns the fingerprint of the key
 * @throws AppError when it cannot be written; the file is as it was then
 */
export async function signBundle(file: BundleFile, key: KeyObject): Promise<string> {
  const { indexBytes, trailer, path } = file;
  const signature = signIndex(indexBytes, key);
  const others = file.signatures.filter((one) => one.key !== signature.key);
  await replaceFile(path, async (temporary) => {
    await copyFile(file.place, temporary);
    await using handle = await open(temporary, "r+");
    await writeEnding(handle, { ...trailer, indexBytes, signatures: [...others, signature] });
    await handle.sync();
  });
  await syncDir(dirname(path));
  return signature.key;
}
