import { AppError, codeOf } from "../errors.ts";
import type { Docker } from "../docker/docker.ts";
import type { AnyWanted, KindName } from "./kinds/index.ts";
import type { RunOptions, RunResult } from "./run.ts";

/** What {@linkcode Host.ensure} did. */
export type Outcome = "unchanged" | "changed";

/**
 * The one door to the machine. Looking is free; every change goes through `ensure`, as data, so that it can be
 * planned, journaled and undone.
 */
export interface Host {
  /** `/` on a real node. */
  readonly root: string;
  /** Brings one thing to the wanted state; says "unchanged" when it was. */
  ensure(wanted: AnyWanted): Promise<Outcome>;
  /** Text of a file, or undefined when there is none. */
  read(path: string): Promise<string | undefined>;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): Promise<string[]>;
  exists(path: string): Promise<boolean>;
  /** The real place of an absolute path, under the root. */
  place(path: string): string;
  /** Runs a program that looks, or that acts on what `ensure` already has in the journal. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** What was there before nodelet's first change to a thing, or undefined when nodelet never changed it. */
  before(kind: KindName, key: string): unknown;
  /** The engine, for looking; containers and images are changed through `ensure`. */
  readonly docker: Docker;
  /** True when nothing outside files may be touched: a dry run, or rendering under another root. */
  readonly detached: boolean;
}

/** Brings several things to the wanted state, in order. @returns "changed" when at least one was. */
export async function ensureAll(host: Host, wanted: readonly AnyWanted[]): Promise<Outcome> {
  let outcome: Outcome = "unchanged";
  for (const one of wanted) {
    if ((await host.ensure(one)) === "changed") outcome = "changed";
  }
  return outcome;
}

/** Reads a file that must be there. @throws AppError naming the file and who writes it. */
export async function readRequired(host: Host, path: string): Promise<string> {
  const text = await host.read(path);
  if (text !== undefined) return text;
  throw new AppError(`Cannot read "${path}": there is no such file`, {
    hint: "start the phases from the first one: nodelet phases start",
  });
}

/** True when an error says that a path is not there. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
}
