import type { Journal } from "../journal.ts";
import { readSysctl } from "../kinds/sysctl.ts";
import { PLACES } from "./files.ts";
import { type Footprint, type FootprintProbe, type FootprintScope, takeFootprint } from "./footprint.ts";
import { kubeProxySysctls } from "./settings.ts";

/** What the footprint is called beside the journal. */
export const FOOTPRINT = "footprint.json";

/**
 * Looks at the host before its first change, and keeps that beside the journal. A host that was changed already keeps the
 * one that it has; one that is left of a node that is gone gives way.
 *
 * @param options `dirs`: directories that this node will fill beside the usual places
 */
export async function keepFootprint(
  probe: FootprintProbe,
  { journal, dirs }: { journal: Journal; dirs: readonly string[] },
): Promise<void> {
  if (journal.exists) return;
  const known = PLACES.map(({ path }) => path);
  const more = dirs.filter((dir) => !known.some((path) => dir === path || dir.startsWith(`${path}/`)));
  const places = [...PLACES, ...more.map((path) => ({ path, depth: "tree" as const }))];
  const footprint = await takeFootprint(probe, scopeOf(journal, places));
  journal.attach(FOOTPRINT, `${JSON.stringify(footprint)}\n`);
  if (probe.machine.root !== "/") return;
  // kube-proxy sets them, so no phase does; undo puts back what is in the journal.
  for (const key of kubeProxySysctls)
    journal.add({ kind: "sysctl", key, before: await readSysctl(probe.machine, key) });
}

/** The footprint of the host before init; undefined where none was taken, or none that can be read. */
export function keptFootprint(journal: Journal): Footprint | undefined {
  const text = journal.attached(FOOTPRINT);
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text) as Footprint;
    return kept.version === 1 ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Looks at the host again, at the same places. */
export async function footprintNow(
  probe: FootprintProbe,
  { journal, kept }: { journal: Journal; kept: Footprint },
): Promise<Footprint> {
  return await takeFootprint(probe, scopeOf(journal, kept.places));
}

function scopeOf(journal: Journal, places: FootprintScope["places"]): FootprintScope {
  return { places, hidden: journal.dirs, passing: journal.made };
}
