import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../errors.ts";
import type { PhaseEvent } from "./events.ts";

/** What is remembered of a phase's last operation. */
export interface PhaseNote {
  status: "executing" | "running" | "stopped" | "failed";
  /** ISO time of the last change. */
  at: string;
  message?: string;
}

/**
 * The notes of all phases, by id. They tell what was done last, which a probe cannot; what is true now is told by the
 * probe alone, so losing this file loses nothing.
 */
export type PhaseNotes = Record<string, PhaseNote>;

/** Reads the notes; a missing or broken file is an empty one. */
export function readNotes(file: string): PhaseNotes {
  try {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof found === "object" && found !== null ? (found as PhaseNotes) : {};
  } catch {
    return {};
  }
}

/** Writes each event into the notes. A full disk must not stop a phase from stopping, so failures are let go. */
export function noteEvent(file: string, event: PhaseEvent): void {
  if (event.type === "say") return;
  const notes = readNotes(file);
  const at = new Date().toISOString();
  if (event.type === "begin") notes[event.phase.id] = { status: "executing", at };
  if (event.type === "end")
    notes[event.phase.id] = { status: event.verb === "start" ? "running" : "stopped", at };
  if (event.type === "fail")
    notes[event.phase.id] = { status: "failed", at, message: messageOf(event.error) };
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.tmp`, JSON.stringify(notes, null, 1), { mode: 0o600 });
    renameSync(`${file}.tmp`, file);
  } catch {
    // Told above: the notes are a convenience.
    dropHalf(`${file}.tmp`);
  }
}

/** What was begun takes no room; where nothing can be removed either, on a read-only file system, nothing was begun. */
function dropHalf(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // Told above.
  }
}
