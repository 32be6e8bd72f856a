import { join } from "node:path";
import { ensurePackages } from "../lib/apt.ts";
import { run } from "../lib/run.ts";
import { placeProgram, writeImage } from "./docker-archive.ts";
import { imageArtefact, reference } from "./artefacts.ts";
import { PAUSE } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 1;

/** The image of the infrastructure container: one static program, run by an unprivileged user. */
export const pause: Recipe = {
  title: "pause image",
  async produce(cache) {
    const text = await Bun.file(join(import.meta.dir, "pause.c")).text();
    const spec = {
      reference: reference("pause", PAUSE.version),
      entrypoint: ["/pause"],
      user: "65535:65535",
    };
    const { dir, hit } = await cache.cached(
      { name: "pause", key: { recipe: RECIPE, spec, text } },
      async ({ work, out }) => {
        await ensurePackages(["gcc", "libc6-dev"]);
        const program = join(work, "pause");
        await run(
          [
            "gcc",
            "-Os",
            "-Wall",
            "-Werror",
            "-static",
            "-s",
            "-Wl,--build-id=none",
            "-o",
            program,
            "-x",
            "c",
            "-",
          ],
          { input: text },
        );
        const root = join(work, "root");
        await placeProgram(program, root, "/pause");
        await writeImage(root, join(out, "pause.tar"), spec);
      },
    );
    const source = "scripts/stack/pause.c, gcc of the build host, static";
    return { hit, artefacts: [await imageArtefact(dir, "pause", PAUSE.version, spec.reference, source)] };
  },
};
