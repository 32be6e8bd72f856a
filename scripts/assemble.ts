import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  INDEX_FORMAT,
  type BundleEntry,
  type BundleIndex,
  type RuntimeLinkEntry,
} from "../src/bundle/index-format.ts";
import { Cache, checkUnchanged } from "./lib/cache.ts";
import { sha256File, sha256Text } from "./lib/hash.ts";
import { withLock } from "./lib/lock.ts";
import { elapsed, megabytes, Progress, requireRoot, runScript, say } from "./lib/progress.ts";
import { PLATFORM } from "./stack/artefacts.ts";
import { debianSource } from "./stack/debian.ts";
import { STACK_NAME } from "./stack/pins.ts";
import type { Artefact, Source } from "./stack/source.ts";

const USAGE = `Usage: bun scripts/assemble.ts [--out DIR] [--cache DIR]

Produces a stack directory: host programs, network plugins, image archives, the container runtime, licences and index.json.
  --out DIR    where to (default: dist/stack)
  --cache DIR  where results are kept (default: $NODELET_CACHE, else /var/cache/nodelet)`;

/** Another run that fills the same directory may have everything to build. */
const TURN_DEADLINE_MS = 60 * 60_000;

/**
 * Brings one file to its place: a link where cache and target share a file system, else a copy.
 *
 * @returns The finished line of the index.
 */
async function place(artefact: Artefact, out: string): Promise<BundleEntry & { path: string }> {
  const target = join(out, artefact.entry.path);
  const fresh = `${target}.new`;
  await mkdir(dirname(target), { recursive: true });
  await rm(fresh, { force: true });
  await link(artefact.file, fresh).catch(() => copyFile(artefact.file, fresh));
  await rename(fresh, target);
  const { size } = await stat(target);
  const sha256 = await sha256File(target);
  await checkUnchanged(artefact.file, sha256);
  return { ...artefact.entry, size, sha256 };
}

/** Removes files that an earlier stack left in the directory and this one does not have. */
async function sweep(out: string, entries: BundleEntry[]): Promise<void> {
  const wanted = new Set(["index.json", ...entries.map((entry) => entry.path)]);
  for (const item of await readdir(out, { recursive: true, withFileTypes: true })) {
    const path = relative(out, join(item.parentPath, item.name));
    if (!item.isDirectory() && !wanted.has(path)) await rm(join(out, path));
  }
}

/** Writes the index so that a reader sees the old one or the new one, whole. */
async function writeIndex(out: string, index: BundleIndex): Promise<void> {
  const fresh = join(out, "index.json.new");
  const file = await open(fresh, "w", 0o644);
  await file.writeFile(`${JSON.stringify(index, null, 2)}\n`);
  await file.sync();
  await file.close();
  await rename(fresh, join(out, "index.json"));
}

/** Runs all recipes of a source and lays their results out as a stack directory. */
async function assemble(source: Source, cache: Cache, out: string): Promise<void> {
  const started = performance.now();
  const recipes = source.recipes();
  const progress = new Progress(recipes.length + 1);
  say(`stack ${STACK_NAME} from ${source.describe()}`);
  const artefacts = new Map<string, Artefact>();
  const links: RuntimeLinkEntry[] = [];
  for (const recipe of recipes) {
    await progress.step(recipe.title, async (note) => {
      const made = await recipe.produce(cache);
      // Several recipes take files of the same package, each with its licence.
      for (const artefact of made.artefacts)
        if (!artefacts.has(artefact.entry.path)) artefacts.set(artefact.entry.path, artefact);
      links.push(...(made.links ?? []));
      if (made.leftOut !== undefined) note(`LEFT OUT: ${made.leftOut}`);
      else if (made.hit) note("from cache");
    });
  }
  await progress.step(`stack directory ${out}`, async (note) => {
    await mkdir(out, { recursive: true });
    const entries = await Promise.all([...artefacts.values()].map((artefact) => place(artefact, out)));
    entries.sort((a, b) => (a.path < b.path ? -1 : 1));
    links.sort((a, b) => (a.name < b.name ? -1 : 1));
    await writeIndex(out, { format: INDEX_FORMAT, name: STACK_NAME, platform: PLATFORM, entries, links });
    await sweep(out, entries);
    const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
    note(`${entries.length} files, ${megabytes(bytes)}`);
  });
  say(`stack complete after ${elapsed(started)}: ${join(out, "index.json")}`);
}

/** Assembles the standard stack in a directory, alone: another run that fills it waits. */
export async function assembleStack({ out, cache }: { out: string; cache: Cache }): Promise<void> {
  const locks = join(cache.root, "locks");
  await mkdir(locks, { recursive: true });
  const lock = join(locks, `out-${sha256Text(out).slice(0, 20)}`);
  await withLock(lock, TURN_DEADLINE_MS, () => assemble(debianSource, cache, out));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { out: { type: "string" }, cache: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) return console.log(USAGE);
  const out = resolve(values.out ?? join(import.meta.dir, "..", "dist", "stack"));
  requireRoot("assemble a stack");
  await assembleStack({ out, cache: Cache.standard(values.cache) });
}

if (import.meta.main) await runScript(main);
