import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeImage } from "./docker-archive.ts";
import { imageArtefact, reference } from "./artefacts.ts";
import { collectLicences, licenceArtefacts } from "./licences.ts";
import { checkPins, describePackages, transplant, unpackPackages } from "./packages.ts";
import { ETCD, LIBC_PACKAGES } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 2;

/** The etcd image: the server and its client from Debian packages, with the libraries they need and nothing else. */
export const etcd: Recipe = {
  title: "etcd image",
  async produce(cache) {
    const spec = { reference: reference("etcd", ETCD.imageTag), entrypoint: ["/usr/local/bin/etcd"] };
    const key = { recipe: RECIPE, spec, etcd: ETCD, libc: LIBC_PACKAGES };
    const { dir, hit } = await cache.cached({ name: "etcd", key }, async ({ work, out }) => {
      const tree = join(work, "tree");
      const found = await unpackPackages([...Object.keys(ETCD.packages), ...LIBC_PACKAGES], work, tree);
      checkPins(found, ETCD.packages);
      const root = join(work, "root");
      for (const name of ["etcd", "etcdctl"])
        await transplant(tree, `/usr/bin/${name}`, root, `/usr/local/bin/${name}`);
      await writeImage(root, join(out, "etcd.tar"), spec);
      await writeFile(join(out, "source.txt"), `Debian packages ${describePackages(found)}`);
      await collectLicences(found, { tree, work, out });
    });
    const source = await Bun.file(join(dir, "source.txt")).text();
    const image = await imageArtefact(dir, "etcd", ETCD.version, spec.reference, source);
    return { hit, artefacts: [image, ...(await licenceArtefacts(dir))] };
  },
};
