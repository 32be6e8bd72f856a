import { AppError } from "../errors.ts";
import type { Journal } from "../host/journal.ts";
import type { Machine } from "../host/machine.ts";
import { undoAll } from "../host/undo.ts";
import { endMemory } from "./reset-compare.ts";

/**
 * Leaves a host as it was that the masters refused. Only files were written by then: no engine, no unit, no setting.
 *
 * @throws AppError when something could not be put back
 */
export async function undoRefused(machine: Machine, journal: Journal): Promise<void> {
  const { failures } = await undoAll(machine, { records: journal.records() });
  if (failures.length > 0) {
    throw new AppError(
      `The masters refused this host, and not all could be put back:\n  ${failures.join("\n  ")}`,
      {
        hint: "remove the causes and run nodelet reset",
      },
    );
  }
  endMemory(journal, undefined);
}
