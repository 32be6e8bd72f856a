import { dirname } from "node:path";
import { AppError, codeOf, messageOf } from "../errors.ts";
import { JOURNAL_COPY, JOURNAL_DIR, JournalStore } from "./journal-store.ts";
import { type KindName, kinds } from "./kinds/index.ts";
import type { Machine } from "./machine.ts";

/** One line of the journal: what was there before the first change to a thing. */
export interface JournalRecord {
  kind: KindName;
  key: string;
  before: unknown;
}

/** A file, a link or nothing at one path are states of one thing. */
const sameThing: Partial<Record<KindName, KindName>> = { absent: "file", link: "file" };

/**
 * The memory of what the host was like. A record is on the disk before the change it speaks of is made, so a kill at
 * any moment loses nothing: at worst a record stands for a change that never happened, and undoing that is harmless.
 */
export class Journal {
  readonly #store: JournalStore;
  #seen: Set<string> | undefined;

  constructor(machine: Pick<Machine, "root">) {
    this.#store = new JournalStore(machine);
  }

  /** True when an earlier run changed this host and was not undone. */
  get exists(): boolean {
    return this.#store.exists;
  }

  /** True when the journal itself was removed, and its copy tells the same. */
  get onlyCopy(): boolean {
    return this.#store.onlyCopy;
  }

  /** Directories that were made for the journal, outermost first. */
  get made(): string[] {
    return this.#store.made;
  }

  /** Directories that are nodelet's own state, the journal's and its copy's. */
  get dirs(): string[] {
    return [dirname(JOURNAL_DIR), JOURNAL_COPY];
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
    this.#write(() => this.#store.append(`${JSON.stringify(record)}\n`));
    seen.add(id);
  }

  /** All records, oldest first. A last line that a power cut tore is no record: its change was never made. */
  records(): JournalRecord[] {
    const lines = this.#store.records().split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as JournalRecord).filter((record) => record.kind in kinds);
  }

  /** Keeps a text beside the records, for example `footprint.json`; the one that is there is replaced. */
  attach(name: string, text: string): void {
    this.#write(() => this.#store.write(name, text));
  }

  /** The text that was attached under a name, or undefined. */
  attached(name: string): string | undefined {
    return this.#store.read(name);
  }

  /** Brings back from the copy what was removed by hand. */
  heal(): void {
    this.#write(() => this.#store.prepare());
  }

  /**
   * Ends the memory: removes the journal with nodelet's other state, and the directories that were made for it.
   *
   * @param options `keep`: something attached that stays, with the directories on the way to it
   */
  discard(options: { keep?: string } = {}): void {
    this.#store.discard(options);
    this.#seen = undefined;
  }

  #write(work: () => void): void {
    try {
      work();
    } catch (error) {
      const full = codeOf(error) === "ENOSPC";
      throw new AppError(
        `Cannot write the journal "${this.#store.file}": ${full ? "no space left on the device" : messageOf(error)}`,
        {
          hint: full ? "free space on that file system and run the command again" : "run as root",
        },
      );
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
