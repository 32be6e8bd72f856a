import { createHash } from "node:crypto";

/** Lower-case hex sha256 of a text. */
export function sha256Text(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * Lower-case hex sha256 of a file, read as a stream.
 *
 * @throws When the file cannot be read.
 */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of Bun.file(path).stream()) hash.update(chunk);
  return hash.digest("hex");
}
