import type { Bundle } from "../../bundle/bundle.ts";
import type { TextEntry } from "../../bundle/index-format.ts";
import type { Content } from "../../bundle/content.ts";
import { AppError } from "../../errors.ts";
import { imagesMissing, imagesOf } from "./images.ts";
import type { ManifestObject } from "./read.ts";

/** The way out where a bundle lacks what a plugin needs. */
const OTHER_BUNDLE =
  "use a bundle that has it (nodelet bundle create --manifest, --image), or set --network-plugin bridge";

/** The manifest of a plugin in the bundle. @throws AppError when it has none */
export function manifestEntry({ index }: Pick<Bundle, "index">, name: string): TextEntry {
  const found = index.entries.find((entry) => entry.kind === "manifest" && entry.name === name);
  if (found) return found as TextEntry;
  throw new AppError(
    `Cannot use the network plugin "${name}": the bundle "${index.name}" has no manifest "${name}"`,
    { hint: OTHER_BUNDLE },
  );
}

/** Checks that the bundle has every image of a manifest. @throws AppError naming those that it has not */
export function checkImages(
  { index, images }: Pick<Bundle, "index" | "images">,
  { name, objects }: { name: string; objects: readonly ManifestObject[] },
): void {
  const missing = imagesMissing(imagesOf(objects), images);
  if (missing.length === 0) return;
  throw new AppError(
    `Cannot use the network plugin "${name}": the bundle "${index.name}" lacks images of its manifest: ${missing.join(", ")}`,
    { hint: OTHER_BUNDLE },
  );
}

/** Content as text. */
export async function textOf(content: Content): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of content.stream()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}
