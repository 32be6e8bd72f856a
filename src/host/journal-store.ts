import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { codeOf } from "../errors.ts";
import { temporaryOf } from "./atomic.ts";
import { type Machine, placeOf } from "./machine.ts";
import { makeDirs } from "./make-dirs.ts";

/** Where the journal lives on a node, in the directory of nodelet's state. */
export const JOURNAL_DIR = "/var/opt/pf9/nodelet/journal";

/** The copy, in another tree: whoever removes all of /var/opt/pf9 by hand can still undo the rest exactly. */
export const JOURNAL_COPY = "/var/lib/nodelet";

const RECORDS = "journal.jsonl";
/** Which directories had to be made for the journal, outermost first. */
const MADE = "made.json";

/** The files of a journal, in two places. What one of them has lost comes back from the other. */
export class JournalStore {
  readonly #root: string;
  readonly #dir: string;
  readonly #copy: string;

  constructor(machine: Pick<Machine, "root">) {
    this.#root = machine.root === "/" ? "" : machine.root;
    this.#dir = placeOf(machine as Machine, JOURNAL_DIR);
    this.#copy = placeOf(machine as Machine, JOURNAL_COPY);
  }

  /** The real place of the records, for messages. */
  get file(): string {
    return join(this.#dir, RECORDS);
  }

  /** True when records are in either place. */
  get exists(): boolean {
    return this.#find(RECORDS) !== undefined;
  }

  /** True when only the copy is left. */
  get onlyCopy(): boolean {
    return this.exists && !existsSync(this.file);
  }

  /** All records as text; empty when there are none. */
  records(): string {
    return this.read(RECORDS) ?? "";
  }

  /** The text of a file beside the records. */
  read(name: string): string | undefined {
    const place = this.#find(name);
    return place === undefined ? undefined : readFileSync(place, "utf8");
  }

  /** Directories that were made for the journal, as paths of the host. */
  get made(): string[] {
    try {
      const made = JSON.parse(this.read(MADE) ?? "[]") as string[];
      return made.map((path) => path.slice(this.#root.length));
    } catch {
      return [];
    }
  }

  /** Adds one line, on the disk when this returns. The copy need not be: it stands in for the first, not for the disk. */
  append(line: string): void {
    this.prepare();
    const size = appendWhole(this.file, line);
    const copy = join(this.#copy, RECORDS);
    // It missed a line when a run was killed between the two.
    if (sizeOf(copy) === size) appendFileSync(copy, line, { mode: 0o600 });
    else copyAtomically(this.file, copy);
  }

  /** Puts a file beside the records, whole or not at all. */
  write(name: string, text: string): void {
    this.prepare();
    for (const dir of [this.#dir, this.#copy]) writeAtomicallySync(join(dir, name), text);
  }

  /** Makes both directories, and notes which ones were not there; what one has lost is copied from the other. */
  prepare(): void {
    const missing = [this.#dir, this.#copy].filter((dir) => !existsSync(dir));
    if (missing.length === 0 && existsSync(this.file)) return;
    const made = missing.flatMap(missingDirs);
    for (const dir of missing) {
      makeDirs(dirname(dir));
      mkdirSync(dir, { mode: 0o700 });
    }
    if (this.#find(MADE) === undefined) writeAtomicallySync(join(this.#dir, MADE), JSON.stringify(made));
    this.#heal({ from: this.#copy, to: this.#dir });
    this.#heal({ from: this.#dir, to: this.#copy });
  }

  /**
   * Removes it with nodelet's other state, and the directories that were made for it.
   *
   * @param options `keep`: a file that stays, and with it the directory
   */
  discard({ keep }: { keep?: string } = {}): void {
    const made = this.made.reverse();
    const state = dirname(this.#dir);
    // The first one goes last: an end that is interrupted is found, and finished, by the next one.
    rmSync(this.#copy, { recursive: true, force: true });
    removeIn(state, (name) => name !== basename(this.#dir));
    removeIn(this.#dir, (name) => ![RECORDS, MADE, keep].includes(name));
    rmSync(this.file, { force: true });
    if (keep === undefined) rmSync(state, { recursive: true, force: true });
    for (const dir of made) removeEmpty(this.#root + dir);
  }

  #find(name: string): string | undefined {
    return [this.#dir, this.#copy].map((dir) => join(dir, name)).find((place) => existsSync(place));
  }

  #heal({ from, to }: { from: string; to: string }): void {
    for (const name of readdirSync(from).filter((one) => !one.startsWith(".")))
      if (!existsSync(join(to, name))) copyAtomically(join(from, name), join(to, name));
  }
}

/** Appends, past a line that a power cut tore; it must not swallow this one. @returns the size before */
function appendWhole(path: string, line: string): number {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const whole = Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1));
  if (whole !== Buffer.byteLength(text)) truncateSync(path, whole);
  writeSynced(path, { flag: "a", text: line });
  return whole;
}

/** Writes a text, on the disk when this returns. */
function writeSynced(path: string, { flag, text }: { flag: "a" | "w"; text: string }): void {
  const file = openSync(path, flag, 0o600);
  try {
    const bytes = Buffer.from(text);
    // A full disk may take the first part without an error; the next write of the rest then has it.
    for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAtomicallySync(path: string, text: string): void {
  const temporary = temporaryOf(path);
  try {
    writeSynced(temporary, { flag: "w", text });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function copyAtomically(from: string, to: string): void {
  const temporary = temporaryOf(to);
  try {
    copyFileSync(from, temporary);
    renameSync(temporary, to);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Directories on the way to one that are not there, outermost first. */
function missingDirs(path: string): string[] {
  return existsSync(path) ? [] : [...missingDirs(dirname(path)), path];
}

function removeIn(dir: string, which: (name: string) => boolean): void {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir).filter(which))
    rmSync(join(dir, name), { recursive: true, force: true });
}

function removeEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (error) {
    if (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "ENOENT") throw error;
  }
}
