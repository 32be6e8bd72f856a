import { readdir, realpath, rename, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { RuntimeLinkEntry } from "../../src/bundle/index-format.ts";
import { ensurePackages } from "../lib/apt.ts";
import { PLATFORM } from "./artefacts.ts";
import { collectLicences, licenceArtefacts } from "./licences.ts";
import {
  checkUpstream,
  describePackages,
  librariesOf,
  type Package,
  resolveIn,
  unpackPackages,
} from "./packages.ts";
import { RUNTIME } from "./pins.ts";
import { isStatic, LOADER, PLUGINS, PREFIX, relocate, type Relocation, replaceText } from "./relocate.ts";
import { checkRuntime } from "./runtime-check.ts";
import { FURTHER_NAMES, PLUGIN_NAMES, PROGRAMS, XTABLES } from "./runtime-files.ts";
import type { Artefact, Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 1;

/** What the recipe leaves in the cache beside the tree. */
interface Contents {
  files: { name: string; mode: number; version: string; source: string }[];
  links: RuntimeLinkEntry[];
}

const CONTENTS = "contents.json";

/** Docker with all that it calls, as a tree that runs at one place on any host, with libraries of its own. */
export const runtime: Recipe = {
  title: "container runtime",
  async produce(cache) {
    const files = { PROGRAMS, FURTHER_NAMES, PLUGIN_NAMES, XTABLES };
    const key = { recipe: RECIPE, RUNTIME, PREFIX, PLUGINS, ...files };
    const { dir, hit } = await cache.cached({ name: "runtime", key }, async ({ work, out }) => {
      await ensurePackages(["patchelf"]);
      const tree = join(work, "tree");
      const found = await unpackPackages(RUNTIME.packages, work, tree);
      checkUpstream(found, RUNTIME.versions);
      const root = join(work, "root");
      const { contents, used } = await makeTree(tree, { root, found });
      await checkRuntime(root, contents);
      for (const part of ["bin", "lib"]) await rename(join(root, PREFIX, part), join(out, part));
      await writeFile(join(out, CONTENTS), JSON.stringify(contents, null, 2));
      await collectLicences(used, { tree, work, out });
    });
    const contents = (await Bun.file(join(dir, CONTENTS)).json()) as Contents;
    const artefacts = contents.files.map((file): Artefact => ({
      file: join(dir, file.name),
      entry: { kind: "runtime", ...file, path: `runtime/${file.name}`, platform: PLATFORM },
    }));
    return { hit, links: contents.links, artefacts: [...artefacts, ...(await licenceArtefacts(dir))] };
  },
};

/** Fills a root with the tree at its place, further names included, and says which packages it came from. */
async function makeTree(
  tree: string,
  { root, found }: { root: string; found: Package[] },
): Promise<{ contents: Contents; used: Package[] }> {
  const top = await realpath(tree);
  const plugins = await findPlugins(tree);
  const contents: Contents = { files: [], links: [...plugins.links, ...furtherNames()] };
  const owners = new Map(found.flatMap((item) => item.paths.map((path) => [path, item] as const)));
  const used = new Set<Package>();
  for (const { path, ...file } of [...(await findPrograms(tree)), ...plugins.files]) {
    const source = await resolveIn(tree, path);
    const owner = owners.get(source.slice(top.length));
    if (owner === undefined) throw new Error(`Cannot place "${path}": none of the unpacked packages has it`);
    const mode = await relocate({ ...file, source }, join(root, PREFIX));
    used.add(owner);
    contents.files.push({ name: file.name, mode, version: owner.version, source: describeOne(owner) });
  }
  await replaceText(join(root, PREFIX, "lib", basename(XTABLES.library)), {
    from: XTABLES.plugins,
    to: join(PREFIX, PLUGINS),
  });
  for (const { name, target } of contents.links) await symlink(target, join(root, PREFIX, name));
  return { contents, used: [...used] };
}

function describeOne(item: Package): string {
  return `Debian package ${describePackages([item])}, relocated to ${PREFIX}`;
}

/** A file of the tree, and where Debian has it. */
type Found = Omit<Relocation, "source"> & { path: string };

/** The programs, and after them every library that any of them needs. */
async function findPrograms(tree: string): Promise<Found[]> {
  const programs: Found[] = [];
  const libraries = new Set<string>();
  for (const path of PROGRAMS) {
    const type = (await isStatic(await resolveIn(tree, path))) ? "static" : "program";
    if (type === "program") for (const library of await librariesOf(tree, path)) libraries.add(library);
    programs.push({ path, name: `bin/${basename(path)}`, type });
  }
  const found = [...libraries].sort().map((path): Found => {
    const name = basename(path) === basename(LOADER) ? LOADER : `lib/${basename(path)}`;
    return { path, name, type: "library" };
  });
  return [...programs, ...found];
}

/** Plugins of iptables; some are links to others in the package, and stay so. */
async function findPlugins(tree: string): Promise<{ files: Found[]; links: RuntimeLinkEntry[] }> {
  const directory = join(tree, XTABLES.plugins);
  const there = new Map(
    (await readdir(directory, { withFileTypes: true })).map((item) => [item.name, item] as const),
  );
  const files: Found[] = [];
  const links: RuntimeLinkEntry[] = [];
  for (const [family, plugins] of Object.entries(PLUGIN_NAMES)) {
    for (const plugin of plugins) {
      const file = `${family}_${plugin}.so`;
      const name = `${PLUGINS}/${file}`;
      const item = there.get(file);
      if (item === undefined) throw new Error(`Cannot find "${file}" among the plugins of iptables`);
      if (item.isSymbolicLink()) {
        const target = basename(await resolveIn(tree, join(XTABLES.plugins, file)));
        links.push({ kind: "runtime-link", name, target });
      } else files.push({ path: join(XTABLES.plugins, file), name, type: "library" });
    }
  }
  return { files, links };
}

function furtherNames(): RuntimeLinkEntry[] {
  return Object.entries(FURTHER_NAMES).flatMap(([target, names]) =>
    names.map((name): RuntimeLinkEntry => ({ kind: "runtime-link", name: `bin/${name}`, target })),
  );
}
