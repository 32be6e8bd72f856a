import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDir } from "../atomic.ts";
import { isMissing } from "../host.ts";
import type { Kind } from "../kind.ts";
import { type Machine, placeOf } from "../machine.ts";

/**
 * A directory with nothing in it, at this moment. For what a program of ours has written into a tree that is claimed: all of
 * it would go with undo anyway, so there is nothing to put back.
 */
export interface EmptiedWanted {
  path: string;
}

/** Directories that are emptied for a new beginning. */
export const emptiedKind: Kind<EmptiedWanted, { names: string[] }> = {
  key: (wanted) => wanted.path,
  async read(machine, { path }) {
    return { names: await namesIn(machine, path) };
  },
  same: ({ names }) => names.length === 0,
  async apply(machine, { path }) {
    for (const name of await namesIn(machine, path))
      await rm(placeOf(machine, join(path, name)), { recursive: true, force: true });
    await syncDir(placeOf(machine, path));
  },
  async restore() {},
  describe: ({ names }) => ({ from: names.join(", ") || "empty", to: "empty" }),
};

async function namesIn(machine: Machine, path: string): Promise<string[]> {
  return await readdir(placeOf(machine, path)).then(
    (names) => names.sort(),
    (error) => {
      if (isMissing(error)) return [];
      throw error;
    },
  );
}
