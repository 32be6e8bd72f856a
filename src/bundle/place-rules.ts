import { posix } from "node:path";
import type { BundleEntry, RuntimeLinkEntry } from "./index-format.ts";
import { quoted } from "./quoted.ts";

/**
 * Judges entries together: no two of them go to the same place, no two images have the same name, every link has its file.
 *
 * @returns what is wrong, or undefined
 */
export function togetherProblem(
  entries: readonly BundleEntry[],
  links: readonly RuntimeLinkEntry[],
): string | undefined {
  const seen = new Set<string>();
  const all = [...entries, ...links].flatMap((entry) =>
    entry.kind === "image" ? [placeOf(entry), `image reference ${entry.reference}`] : [placeOf(entry)],
  );
  for (const place of all) {
    if (seen.has(place)) return `there are two entries for ${place}`;
    seen.add(place);
  }
  const files = new Set(entries.filter(({ kind }) => kind === "runtime").map(({ name }) => name));
  const lost = links.find(({ name, target }) => !files.has(posix.join(posix.dirname(name), target)));
  return lost && `entry ${quoted(lost.name)}: target ${quoted(lost.target)} is no file of the runtime`;
}

/** Programs, files and links of the runtime have their places below one directory. */
function placeOf({ kind, name }: BundleEntry | RuntimeLinkEntry): string {
  if (kind === "binary") return `file bin/${name}`;
  return kind === "runtime" || kind === "runtime-link" ? `file ${name}` : `${kind} ${name}`;
}
