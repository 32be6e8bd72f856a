import { rename, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDir, temporaryOf } from "../atomic.ts";
import type { Kind } from "../kind.ts";
import { placeOf } from "../machine.ts";
import { absentKind, type FileFound, readFound } from "./file.ts";

/** A symbolic link. */
export interface LinkWanted {
  path: string;
  target: string;
}

/** Symbolic links that nodelet makes. */
export const linkKind: Kind<LinkWanted, FileFound> = {
  key: (wanted) => wanted.path,
  read: (machine, wanted) => readFound(machine, wanted.path),
  same: (found, wanted) => found.type === "link" && found.target === wanted.target,
  async apply(machine, wanted) {
    const place = placeOf(machine, wanted.path);
    const temporary = temporaryOf(place);
    await rm(temporary, { force: true });
    await symlink(wanted.target, temporary);
    await rename(temporary, place);
    await syncDir(dirname(place));
  },
  restore: absentKind.restore,
  describe: (found, wanted) => ({
    from: found.type === "link" ? `link to ${found.target}` : found.type,
    to: `link to ${wanted.target}`,
  }),
};
