import { sha256 } from "../host/hash.ts";
import type { Bundle } from "./bundle.ts";

/** What a bundle is made of, without where its content lies: the text of `paths.installedIndex`. */
export function indexText({ index }: Pick<Bundle, "index">): string {
  const { format, name, platform, entries, links } = index;
  return `${JSON.stringify({ format, name, platform, entries, ...(links && { links }) }, null, 2)}\n`;
}

/** Digest of what a bundle is made of: the same on all nodes of a cluster, wherever each has its content from. */
export function bundleDigest(bundle: Pick<Bundle, "index">): string {
  return sha256(indexText(bundle));
}
