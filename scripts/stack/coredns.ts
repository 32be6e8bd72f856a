import { join } from "node:path";
import { ensurePackages } from "../lib/apt.ts";
import { run } from "../lib/run.ts";
import { imageArtefact, reference } from "./artefacts.ts";
import { placeProgram, writeImage } from "./docker-archive.ts";
import { describeModule, fetchModule, go, goEnv, NoModules } from "./go-module.ts";
import { keepLicences, licenceArtefacts } from "./licences.ts";
import { COREDNS, GO } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 2;

const BUILD_DEADLINE_MS = 20 * 60_000;

/** The cluster's name server, built from its Go module; left out where modules cannot be fetched. */
export const coredns: Recipe = {
  title: "CoreDNS image",
  async produce(cache) {
    const spec = { reference: reference("coredns", COREDNS.version), entrypoint: ["/usr/local/bin/coredns"] };
    const key = { recipe: RECIPE, spec, coredns: COREDNS, go: GO };
    const source = describeModule(COREDNS);
    try {
      const { dir, hit } = await cache.cached({ name: "coredns", key }, async ({ work, out }) => {
        await ensurePackages([GO.package]);
        const { program, licence } = await build(work);
        const root = join(work, "root");
        await placeProgram(program, root, "/usr/local/bin/coredns");
        await writeImage(root, join(out, "coredns.tar"), spec);
        await keepLicences([{ name: "coredns", version: COREDNS.version, source, file: licence }], out);
      });
      const image = await imageArtefact(dir, "coredns", COREDNS.version, spec.reference, source);
      return { hit, artefacts: [image, ...(await licenceArtefacts(dir))] };
    } catch (error) {
      if (error instanceof NoModules) return { hit: false, artefacts: [], leftOut: error.message };
      throw error;
    }
  },
};

async function build(work: string): Promise<{ program: string; licence: string }> {
  const env = await goEnv(work);
  const dir = await fetchModule(COREDNS, { env, work });
  await run([go, "install", "-ldflags", "-s -w", `${COREDNS.module}@v${COREDNS.version}`], {
    env,
    cwd: work,
    timeoutMs: BUILD_DEADLINE_MS,
    tied: true,
  });
  return { program: join(work, "gopath", "bin", "coredns"), licence: join(dir, "LICENSE") };
}
