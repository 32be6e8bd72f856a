import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { AppError, codeOf, messageOf } from "../errors.ts";
import { type KindName, kinds } from "./kinds/index.ts";
import { type Machine, placeOf } from "./machine.ts";

/** Where the journal lives on a node. */
export const JOURNAL_DIR = "/var/opt/pf9/nodelet/journal";

/** One line of the journal: what was there before the first change to a thing. */
export interface JournalRecord {
  kind: KindName;
  key: string;
  before: unknown;
}

/** What an undo did. */
export interface UndoReport {
  undone: number;
  /** What could not be put back, each with its reason. */
  failures: string[];
}

/** A file, a link or nothing at one path are states of one thing. */
const sameThing: Partial<Record<KindName, KindName>> = { absent: "file", link: "file" };

/**
 * The memory of what the host was like. A record is on the disk before the change it speaks of is made, so a kill at
 * any moment loses nothing: at worst a record stands for a change that never happened, and undoing that is harmless.
 */
export class Journal {
  readonly #dir: string;
  readonly #file: string;
  #seen: Set<string> | undefined;

  constructor(machine: Pick<Machine, "root">) {
    this.#dir = placeOf(machine as Machine, JOURNAL_DIR);
    this.#file = join(this.#dir, "journal.jsonl");
  }

  /** True when an earlier run changed this host and was not undone. */
  get exists(): boolean {
    return existsSync(this.#file);
  }

  /** True when the thing is in the journal already, which keeps the first state found. */
  has(kind: KindName, key: string): boolean {
    return this.#load().has(identity(kind, key));
  }

  /** What was found before the first change to a thing, or undefined. */
  before(kind: KindName, key: string): unknown {
    const id = identity(kind, key);
    return this.records().find((record) => identity(record.kind, record.key) === id)?.before;
  }

  /** Adds a record, on the disk when this returns; a thing that is there already keeps its first record. */
  add(record: JournalRecord): void {
    const seen = this.#load();
    const id = identity(record.kind, record.key);
    if (seen.has(id)) return;
    try {
      this.#append(`${JSON.stringify(record)}\n`);
    } catch (error) {
      const full = codeOf(error) === "ENOSPC";
      throw new AppError(
        `Cannot write the journal "${this.#file}": ${full ? "no space left on the device" : messageOf(error)}`,
        {
          hint: full ? "free space on that file system and run the command again" : "run as root",
        },
      );
    }
    seen.add(id);
  }

  /** All records, oldest first. A last line that a power cut tore is no record: its change was never made. */
  records(): JournalRecord[] {
    if (!this.exists) return [];
    const lines = readFileSync(this.#file, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as JournalRecord).filter((record) => record.kind in kinds);
  }

  /** Ends the memory: removes the journal with nodelet's other state, and the directories that were made for it. */
  discard(): void {
    const made = this.#made();
    const state = dirname(this.#dir);
    // The journal goes last: an end that is interrupted is found, and finished, by the next one.
    const others = readdirSync(state).filter((name) => name !== basename(this.#dir));
    for (const name of others) rmSync(join(state, name), { recursive: true, force: true });
    rmSync(this.#file, { force: true });
    rmSync(state, { recursive: true, force: true });
    for (const dir of made.reverse()) {
      try {
        rmdirSync(dir);
      } catch (error) {
        if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "ENOENT") throw error;
      }
    }
  }

  #append(line: string): void {
    this.#prepare();
    const file = openSync(this.#file, "a+", 0o600);
    try {
      const text = readFileSync(this.#file, "utf8");
      // A torn line must not swallow the next one.
      if (text !== "" && !text.endsWith("\n"))
        ftruncateSync(file, Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)));
      const bytes = Buffer.from(line);
      // A full disk may take the first part of a line without an error; the next write of the rest then has it.
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** Makes the directory, and notes which ones were not there. */
  #prepare(): void {
    if (existsSync(this.#dir)) return;
    const made: string[] = [];
    for (let dir = this.#dir; !existsSync(dir); dir = dirname(dir)) made.unshift(dir);
    mkdirSync(dirname(this.#dir), { recursive: true, mode: 0o755 });
    mkdirSync(this.#dir, { mode: 0o700 });
    const note = openSync(join(this.#dir, "made.json"), "w", 0o600);
    writeSync(note, JSON.stringify(made));
    fsyncSync(note);
    closeSync(note);
  }

  #made(): string[] {
    try {
      return JSON.parse(readFileSync(join(this.#dir, "made.json"), "utf8")) as string[];
    } catch {
      return [];
    }
  }

  #load(): Set<string> {
    this.#seen ??= new Set(this.records().map((record) => identity(record.kind, record.key)));
    return this.#seen;
  }
}

function identity(kind: KindName, key: string): string {
  return `${sameThing[kind] ?? kind}:${key}`;
}

/**
 * Puts everything back, newest first. One failure does not end it: all that can be undone is. Kernel settings come last:
 * an engine that starts anew sets some of them itself.
 *
 * @param options `settle`: called once, between all else and the kernel settings; `onStep`: told of each thing before it
 * is undone, with how many there are
 */
export async function undoAll(
  machine: Machine,
  options: {
    journal: Journal;
    settle?: () => Promise<void>;
    onStep?: (record: JournalRecord, at: { index: number; total: number }) => void;
  },
): Promise<UndoReport> {
  const records = options.journal.records().reverse();
  const total = records.length;
  const failures: string[] = [];
  const undo = async (record: JournalRecord, index: number) => {
    options.onStep?.(record, { index, total });
    try {
      await kinds[record.kind].restore(machine, { key: record.key, before: record.before });
    } catch (error) {
      failures.push(`${record.kind} ${record.key}: ${messageOf(error)}`);
    }
  };
  const isSetting = (record: JournalRecord) => record.kind === "sysctl";
  let index = 0;
  for (const record of records.filter((one) => !isSetting(one))) await undo(record, ++index);
  await options.settle?.();
  // A load goes on in the engine after the program that asked for it was killed, until the engine starts anew.
  for (const { key, before } of records.filter((one) => one.kind === "image")) {
    await kinds.image
      .restore(machine, { key, before })
      .catch((error) => failures.push(`image ${key}: ${messageOf(error)}`));
  }
  for (const record of records.filter(isSetting)) await undo(record, ++index);
  return { undone: total - failures.length, failures };
}
