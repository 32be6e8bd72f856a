import { existsSync } from "node:fs";
import { cp, mkdir, readlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Cache } from "../lib/cache.ts";
import { PLATFORM } from "./artefacts.ts";
import { type Package, unpackPackages } from "./packages.ts";
import type { Artefact } from "./source.ts";

/** In a cache entry: hidden, because some recipes take every other file for a program. */
const DIRECTORY = ".licences";
const LIST = "packages.json";

/** Whose licence a file is. */
interface Licence {
  name: string;
  version: string;
  source: string;
}

/**
 * Keeps the licences of packages whose files become part of a cache entry.
 *
 * @param tree Where the packages are unpacked.
 * @param work Scratch directory.
 * @param out The cache entry.
 * @throws When a package has none.
 */
export async function collectLicences(
  packages: Package[],
  { tree, work, out }: { tree: string; work: string; out: string },
): Promise<void> {
  const elsewhere = join(work, "licences");
  const place = (root: string, name: string) => join(root, "usr/share/doc", name);
  const licences: (Licence & { file: string })[] = [];
  for (const { name, version } of packages) {
    // A package may leave its licence to another one of the same source, which need not be here.
    const owner = basename(await readlink(place(tree, name)).catch(() => name));
    const here = existsSync(join(place(tree, owner), "copyright"));
    if (!here) await unpackPackages([owner], join(work, owner), elsewhere);
    const file = join(place(here ? tree : elsewhere, owner), "copyright");
    licences.push({ name, version, file, source: `Debian package ${name} ${version}` });
  }
  await keepLicences(licences, out);
}

/** Keeps licence files in a cache entry. @throws When one of them is not there. */
export async function keepLicences(licences: (Licence & { file: string })[], out: string): Promise<void> {
  const directory = join(out, DIRECTORY);
  await mkdir(directory, { recursive: true });
  for (const { file, name } of licences) await cp(file, join(directory, name), { dereference: true });
  const list = licences.map(({ name, version, source }): Licence => ({ name, version, source }));
  await writeFile(join(directory, LIST), JSON.stringify(list, null, 2));
}

/** The licences that a cache entry has. @returns One artefact a package. */
export async function licenceArtefacts(dir: string): Promise<Artefact[]> {
  const list = (await Bun.file(join(dir, DIRECTORY, LIST)).json()) as Licence[];
  return list.map((licence) => ({
    file: join(dir, DIRECTORY, licence.name),
    entry: { kind: "licence", ...licence, path: `licences/${licence.name}`, platform: PLATFORM },
  }));
}

/** The licences of a package, none of whose files is taken. */
export async function packageLicence(cache: Cache, name: string): Promise<Artefact[]> {
  const recipe = { name: `licence-${name}`, key: { recipe: 1, name } };
  const { dir } = await cache.cached(recipe, async ({ work, out }) => {
    const tree = join(work, "tree");
    await collectLicences(await unpackPackages([name], work, tree), { tree, work, out });
  });
  return licenceArtefacts(dir);
}
