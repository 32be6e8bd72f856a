import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { imageArtefact, reference } from "./artefacts.ts";
import { writeImage } from "./docker-archive.ts";
import { collectLicences, licenceArtefacts } from "./licences.ts";
import { checkUpstream, describePackages, transplant, unpackPackages } from "./packages.ts";
import { HAPROXY, KEEPALIVED } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 1;

/** What an image of packaged programs is made from. */
interface Programs {
  name: string;
  version: string;
  /** Absolute paths in the packages; in the image they are in `/usr/local/bin`. */
  programs: readonly string[];
  pins: { versions: Record<string, string>; packages: readonly string[] };
  /** Further files, by their absolute path in the image. */
  files?: Readonly<Record<string, string>>;
}

/** The load balancer of a node. */
export const haproxy = programsImage({
  name: "haproxy",
  version: HAPROXY.versions.haproxy,
  programs: ["/usr/sbin/haproxy"],
  pins: HAPROXY,
});

/** The holder of the virtual address, with the program that it asks the API server with. */
export const keepalived = programsImage({
  name: "keepalived",
  version: KEEPALIVED.versions.keepalived,
  programs: ["/usr/sbin/keepalived", "/usr/bin/curl"],
  pins: KEEPALIVED,
  // It runs its check as a user that has a name.
  files: { "/etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n", "/etc/group": "root:x:0:\n" },
});

/** An image with programs of Debian packages and the libraries they need: no shell, no package manager. */
function programsImage({ name, version, programs, pins, files }: Programs): Recipe {
  return {
    title: `${name} image`,
    async produce(cache) {
      const spec = { reference: reference(name, version), entrypoint: [placeOf(programs[0] ?? "")] };
      const key = { recipe: RECIPE, spec, programs, pins, files };
      const { dir, hit } = await cache.cached({ name, key }, async ({ work, out }) => {
        const tree = join(work, "tree");
        const found = await unpackPackages(pins.packages, work, tree);
        checkUpstream(found, pins.versions);
        const root = join(work, "root");
        for (const program of programs) await transplant(tree, program, root, placeOf(program));
        for (const [path, text] of Object.entries(files ?? {})) {
          await mkdir(dirname(join(root, path)), { recursive: true });
          await writeFile(join(root, path), text, { mode: 0o644 });
        }
        await writeImage(root, join(out, `${name}.tar`), spec);
        await writeFile(join(out, "source.txt"), `Debian packages ${describePackages(found)}`);
        await collectLicences(found, { tree, work, out });
      });
      const source = await Bun.file(join(dir, "source.txt")).text();
      const image = await imageArtefact(dir, name, version, spec.reference, source);
      return { hit, artefacts: [image, ...(await licenceArtefacts(dir))] };
    },
  };
}

const placeOf = (program: string) => program.replace(/^.*\//, "/usr/local/bin/");
