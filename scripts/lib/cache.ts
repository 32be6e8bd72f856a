import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { sha256File, sha256Text } from "./hash.ts";
import { withLock } from "./lock.ts";

/** One thing to build, named by everything that goes into it. */
export interface Recipe {
  /** Name of the thing, for people: the first part of the directory's name. */
  name: string;
  /** All that decides the result: pinned versions, hashes, the recipe's own version. Any change makes a new entry. */
  key: Record<string, unknown>;
  /** Keep the working directory of an interrupted build, for a build that can go on where it was. */
  resumable?: boolean;
}

/** The two directories a build gets. */
export interface BuildRoom {
  /** Scratch space, removed after success. */
  work: string;
  /** What ends up in the cache. Empty at the start of every build. */
  out: string;
}

/** A finished entry of the cache. */
export interface Cached {
  /** The directory with the result; read only by convention. */
  dir: string;
  /** True when nothing had to be built. */
  hit: boolean;
}

const SUMS = ".sums.json";
const BUILD_DEADLINE_MS = 45 * 60_000;

/** A store of build results outside the source tree, safe against killed and parallel runs. */
export class Cache {
  /** @param root The directory of the store; made when missing. */
  constructor(readonly root: string) {}

  /** The store that `$NODELET_CACHE` names, or the one in /var/cache. */
  static standard(directory?: string): Cache {
    return new Cache(directory ?? process.env["NODELET_CACHE"] ?? "/var/cache/nodelet");
  }

  /** The place of a recipe's result, built or not. */
  entryOf(recipe: Recipe): string {
    return join(this.root, "store", this.#id(recipe));
  }

  /**
   * Gives the result of a recipe, building it first when it is not there.
   *
   * The result appears under its final name by one rename, so an entry that exists is complete. A second run that
   * wants the same entry waits for the first; what a killed run left is thrown away (or taken up, if resumable).
   *
   * @throws Whatever the build throws; nothing is kept of the failed result.
   */
  async cached(recipe: Recipe, build: (room: BuildRoom) => Promise<void>): Promise<Cached> {
    const dir = this.entryOf(recipe);
    if (existsSync(dir)) return { dir, hit: true };
    const id = this.#id(recipe);
    for (const part of ["store", "locks", "work", "new"]) {
      await mkdir(join(this.root, part), { recursive: true });
    }
    const lock = join(this.root, "locks", id);
    return withLock(lock, BUILD_DEADLINE_MS, async () => {
      if (existsSync(dir)) return { dir, hit: true };
      const work = join(this.root, "work", id);
      const out = join(this.root, "new", id);
      if (!recipe.resumable) await rm(work, { recursive: true, force: true });
      await rm(out, { recursive: true, force: true });
      await mkdir(work, { recursive: true });
      await mkdir(out, { recursive: true });
      await build({ work, out });
      await writeFile(join(out, ".recipe.json"), `${JSON.stringify(recipe.key, null, 2)}\n`);
      await writeFile(join(out, SUMS), JSON.stringify(await sumsOf(out)));
      await rename(out, dir);
      await rm(work, { recursive: true, force: true });
      return { dir, hit: false };
    });
  }

  #id(recipe: Recipe): string {
    const key = JSON.stringify({ name: recipe.name, key: recipe.key });
    return `${recipe.name}-${sha256Text(key).slice(0, 20)}`;
  }
}

/** The digests of all files of a directory, by their names below it. */
async function sumsOf(directory: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const item of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const file = join(item.parentPath, item.name);
    sums[relative(directory, file)] = await sha256File(file);
  }
  return sums;
}

/**
 * Compares a file of the cache with its digest at the time it was built.
 *
 * @param file A file of an entry.
 * @param sha256 Its digest now.
 * @throws When they differ: something has written to the file since, for example through a hard link.
 */
export async function checkUnchanged(file: string, sha256: string): Promise<void> {
  let entry = dirname(file);
  while (entry !== dirname(entry) && !existsSync(join(entry, SUMS))) entry = dirname(entry);
  const sums = (await Bun.file(join(entry, SUMS)).json()) as Record<string, string>;
  const built = sums[relative(entry, file)];
  if (built === sha256) return;
  throw new Error(
    `Cannot use "${file}": its sha256 is ${sha256}; expected ${built ?? "an entry in its sums"}; remove ${entry} and run again`,
  );
}
