import { readFileSync } from "node:fs";
import { writeAtomically } from "../host/atomic.ts";

/** Something that happened to the node, for `nodelet status`. */
export interface NodeEvent {
  /** ISO time. */
  at: string;
  what: string;
}

/** As many as are kept. */
const KEPT = 50;

/** Reads the last events, oldest first; a missing or broken file holds none. */
export function readEvents(file: string): NodeEvent[] {
  try {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!Array.isArray(found)) return [];
    return (found as NodeEvent[]).filter(
      (one) => typeof one?.at === "string" && typeof one.what === "string",
    );
  } catch {
    return [];
  }
}

/** Adds an event to the file, and lets the oldest go. @throws AppError when the file cannot be written */
export async function addEvent(file: string, event: NodeEvent): Promise<void> {
  const events = [...readEvents(file), event].slice(-KEPT);
  await writeAtomically(file, `${JSON.stringify(events, null, 1)}\n`, { mode: 0o600 });
}
