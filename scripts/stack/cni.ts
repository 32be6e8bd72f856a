import { copyFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { programArtefact } from "./artefacts.ts";
import { collectLicences, licenceArtefacts } from "./licences.ts";
import { checkPins, describePackages, unpackPackages } from "./packages.ts";
import { CNI_PLUGINS } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 2;

/** The reference network plugins, all that the package has. */
export const cniPlugins: Recipe = {
  title: "network plugins",
  async produce(cache) {
    const key = { recipe: RECIPE, plugins: CNI_PLUGINS };
    const { dir, hit } = await cache.cached({ name: "cni-plugins", key }, async ({ work, out }) => {
      const tree = join(work, "tree");
      const found = await unpackPackages(Object.keys(CNI_PLUGINS.packages), work, tree);
      checkPins(found, CNI_PLUGINS.packages);
      const plugins = join(tree, "usr/lib/cni");
      for (const name of await readdir(plugins)) await copyFile(join(plugins, name), join(out, name));
      await writeFile(join(out, ".source.txt"), `Debian package ${describePackages(found)}`);
      await collectLicences(found, { tree, work, out });
    });
    const source = await Bun.file(join(dir, ".source.txt")).text();
    const names = (await readdir(dir)).filter((name) => !name.startsWith(".")).sort();
    const programs = names.map((name) => programArtefact(dir, "cni", name, CNI_PLUGINS.version, source));
    return { hit, artefacts: [...programs, ...(await licenceArtefacts(dir))] };
  },
};
