import { messageOf } from "../errors.ts";
import type { JournalRecord } from "./journal.ts";
import { fileKinds, kinds } from "./kinds/index.ts";
import { paths } from "../paths.ts";
import type { Machine } from "./machine.ts";

/** What an undo did. */
export interface UndoReport {
  undone: number;
  /** What could not be put back, each with its reason. */
  failures: string[];
}

/** How an undo is done. */
export interface UndoOptions {
  /** What was there before, oldest first. */
  records: readonly JournalRecord[];
  /** Called once, when all is undone but kernel settings and what is postponed. */
  settle?: () => Promise<void>;
  /** What can only be undone after that, if at all. */
  postpone?: (record: JournalRecord) => boolean;
  /** Says of a postponed thing why it cannot be undone; undefined when it can. */
  refuse?: (record: JournalRecord) => string | undefined;
  /** Told of each thing before it is undone, with how many there are. */
  onStep?: (record: JournalRecord, at: { index: number; total: number }) => void;
}

/**
 * Puts everything back, newest first. One failure does not end it: all that can be undone is. Kernel settings come last,
 * since an engine that starts anew sets some of them itself, and the programs that nodelet brought.
 */
export async function undoAll(machine: Machine, options: UndoOptions): Promise<UndoReport> {
  const records = [...options.records].reverse();
  const isLate = (record: JournalRecord) => !isLast(record) && options.postpone?.(record) === true;
  const total = records.length;
  const failures = new Map<JournalRecord, string>();
  let index = 0;
  const attempt = async (record: JournalRecord) => {
    failures.delete(record);
    await restore(machine, record).catch((error) => failures.set(record, messageOf(error)));
  };
  const undo = async (record: JournalRecord) => {
    options.onStep?.(record, { index: ++index, total });
    await attempt(record);
  };
  for (const record of records.filter((one) => !isLast(one) && !isLate(one))) await undo(record);
  await options.settle?.();
  for (const record of records.filter(isLate)) {
    const reason = options.refuse?.(record);
    if (reason === undefined) await undo(record);
    else failures.set(record, reason);
  }
  // The engine came back with its containers, and made a directory of each file that they mount and that was gone.
  const cameBack = records.some((record) => isLate(record) && !failures.has(record));
  const files = records.filter((record) => cameBack && fileKinds.has(record.kind) && !isLast(record));
  for (const record of files) await attempt(record);
  // What was asked of the engine goes on in it after who asked was ended: the kubelet's last container, the load of an image.
  for (const kind of ["pods", "image"])
    for (const record of records.filter((one) => one.kind === kind && !isLate(one))) await attempt(record);
  for (const record of records.filter(isLast)) await undo(record);
  const lines = [...failures].map(([{ kind, key }, reason]) => `${kind} ${key}: ${reason}`);
  return { undone: total - lines.length, failures: lines };
}

/** True for what must wait for everything else; the programs' directories with them, which are removed only when empty. */
function isLast({ kind, key }: JournalRecord): boolean {
  return kind === "sysctl" || key === paths.runtimeDir || key.startsWith(`${paths.runtimeDir}/`);
}

async function restore(machine: Machine, { kind, key, before }: JournalRecord): Promise<void> {
  await kinds[kind].restore(machine, { key, before });
}
