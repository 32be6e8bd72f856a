import { appendFile, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensurePackages } from "../lib/apt.ts";
import { run } from "../lib/run.ts";
import { imageArtefact, reference } from "./artefacts.ts";
import { placeProgram, writeImage } from "./docker-archive.ts";
import { describeModule, fetchModule, go, goEnv, NoModules } from "./go-module.ts";
import { keepLicences, licenceArtefacts } from "./licences.ts";
import { FLANNEL, FLANNEL_REFLECT2, GO } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 1;

const BUILD_DEADLINE_MS = 20 * 60_000;

/**
 * flanneld from its Go module, and nothing else: nodelet writes the network configuration and keeps the firewall, so flanneld
 * calls no program. Left out where modules cannot be fetched.
 */
export const flannel: Recipe = {
  title: "flannel image",
  async produce(cache) {
    const spec = {
      reference: reference("flannel", FLANNEL.version),
      entrypoint: ["/usr/local/bin/flanneld"],
    };
    const key = { recipe: RECIPE, spec, flannel: FLANNEL, reflect2: FLANNEL_REFLECT2, go: GO };
    const source = describeModule(FLANNEL);
    try {
      const { dir, hit } = await cache.cached({ name: "flannel", key }, async ({ work, out }) => {
        await ensurePackages([GO.package, "gcc", "libc6-dev"]);
        const { program, licence } = await build(work);
        const root = join(work, "root");
        await placeProgram(program, root, "/usr/local/bin/flanneld");
        await writeImage(root, join(out, "flannel.tar"), spec);
        await keepLicences([{ name: "flannel", version: FLANNEL.version, source, file: licence }], out);
      });
      const image = await imageArtefact(dir, "flannel", FLANNEL.version, spec.reference, source);
      return { hit, artefacts: [image, ...(await licenceArtefacts(dir))] };
    } catch (error) {
      if (error instanceof NoModules) return { hit: false, artefacts: [], leftOut: error.message };
      throw error;
    }
  },
};

/**
 * A module of our own around flannel's: only the main module may raise a dependency, and the release of reflect2 that flannel
 * asks for crashes with this compiler. Everything else is what flannel's own go.sum says.
 */
async function build(work: string): Promise<{ program: string; licence: string }> {
  // Its `udp` backend is C; without it the program does not compile.
  const env = { ...(await goEnv(work)), CGO_ENABLED: "1" };
  const dir = await fetchModule(FLANNEL, { env, work });
  await fetchModule(FLANNEL_REFLECT2, { env, work });
  const around = join(work, "around");
  await mkdir(around);
  await writeFile(join(around, "go.mod"), goMod());
  await copyFile(join(dir, "go.sum"), join(around, "go.sum"));
  await appendFile(join(around, "go.sum"), pinned.map(sumLine).join(""));
  const program = join(work, "flanneld");
  const flags = `-s -w -extldflags "-static" -X ${FLANNEL.module}/version.Version=v${FLANNEL.version}`;
  await run(
    [
      go,
      "build",
      "-mod=mod",
      "-tags",
      "netgo,osusergo",
      "-ldflags",
      flags,
      "-buildvcs=false",
      "-o",
      program,
      FLANNEL.module,
    ],
    { env, cwd: around, timeoutMs: BUILD_DEADLINE_MS, tied: true },
  );
  return { program, licence: join(dir, "LICENSE") };
}

const pinned = [FLANNEL, FLANNEL_REFLECT2];

const sumLine = ({ module, version, sum }: (typeof pinned)[number]) => `${module} v${version} ${sum}\n`;

function goMod(): string {
  const requires = pinned.map(({ module, version }) => `require ${module} v${version}\n`);
  return `module nodelet.local/flannel\n\ngo 1.16\n\n${requires.join("")}`;
}
