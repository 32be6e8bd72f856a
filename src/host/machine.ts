import { join } from "node:path";
import type { Docker } from "../docker/docker.ts";
import type { RunOptions, RunResult } from "./run.ts";

/** The raw machine under a host: where its files are, how programs run, and its container engine. */
export interface Machine {
  /** All paths are below this directory; `/` on a real node. */
  readonly root: string;
  /** Runs a program to its end. @throws AppError when it cannot be started, times out, or fails and `check` is on. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The container engine; connects when first used. */
  readonly docker: Docker;
}

/** The real place of an absolute path of the node. */
export function placeOf(machine: Machine, path: string): string {
  return machine.root === "/" ? path : join(machine.root, path);
}
