import { systemClock } from "../ctx.ts";
import { AppError, ExitCode } from "../errors.ts";
import {
  compareFootprints,
  type Difference,
  differenceLine,
  unseenAreas,
} from "../host/footprint/compare.ts";
import { FOOTPRINT, footprintNow, keptFootprint } from "../host/footprint/keep.ts";
import { systemFootprintProbe } from "../host/footprint/system.ts";
import type { Journal } from "../host/journal.ts";
import type { Machine } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";

/** How long what ends by itself may take for it: processes, their cgroups and mounts. In milliseconds. */
const SETTLE_MS = 10_000;
const SETTLING = new Set(["units", "processes", "cgroups", "mounts", "interfaces", "routes"]);

/** What a comparison with the host before init gave. */
export interface Comparison {
  differences: Difference[];
  /** Areas that could not be seen both times. */
  unseen: string[];
}

/** Compares the host with its footprint before init. @returns undefined when none was taken */
export async function compareHost(machine: Machine, journal: Journal): Promise<Comparison | undefined> {
  const kept = keptFootprint(journal);
  if (!kept) return undefined;
  const probe = systemFootprintProbe(machine);
  const end = systemClock.monotonic() + SETTLE_MS;
  for (;;) {
    const now = await footprintNow(probe, { journal, kept });
    const found = { differences: compareFootprints(kept, now), unseen: unseenAreas(kept, now) };
    const settles = found.differences.some(({ area }) => SETTLING.has(area));
    if (!settles || systemClock.monotonic() >= end) return found;
    await systemClock.sleep(100);
  }
}

/** Ends what nodelet knows of this host. While something differs, the footprint stays, to be compared with again. */
export function endMemory(journal: Journal, found: Comparison | undefined): void {
  const differs = found !== undefined && found.differences.length > 0;
  journal.discard(differs ? { keep: FOOTPRINT } : {});
}

/** The fields of a result that tell of the comparison; `equal` is null when there was none. */
export function comparisonFields(found: Comparison | undefined) {
  if (!found) return { differences: [], unseen: [], equal: null };
  return { ...found, equal: found.differences.length === 0 };
}

/** The differences a line each, and what to do. @param first how the sentence before them begins */
export function comparisonText(first: string, found: Comparison | undefined): string {
  if (!found) return `${first}; not compared: no footprint was taken before init.\n`;
  const { length } = found.differences;
  if (length === 0) return `${first}; host equals its state before init.\n`;
  const lines = found.differences.map((one) => `${differenceLine(one)}\n`).join("");
  return `${first}; host differs from its state before init in ${length} thing${length === 1 ? "" : "s"}:
${lines}Put right what nobody wanted, then run nodelet reset --verify. What is wanted may stay: rm -r ${paths.stateDir}
`;
}

/** `nodelet reset --verify`: compares and changes nothing but what is left of nodelet, when all is equal. @returns the exit code */
export async function verify(
  io: Io,
  { machine, journal, output }: { machine: Machine; journal: Journal; output: OutputFormat },
): Promise<number> {
  const found = await compareHost(machine, journal);
  if (!found) {
    throw new AppError("Cannot compare: there is no footprint of this host from before init", {
      hint: "nodelet init takes one before its first change; with it gone, look yourself: nodelet reset --dry-run",
    });
  }
  const first = journal.exists ? "This host is a node" : "Nothing to undo";
  // Of a node, the footprint is still needed.
  if (!journal.exists) endMemory(journal, found);
  showResult(io, {
    format: output,
    result: { undone: 0, failures: [], ...comparisonFields(found) },
    table: comparisonText(first, found),
  });
  return found.differences.length === 0 ? ExitCode.ok : ExitCode.failed;
}
