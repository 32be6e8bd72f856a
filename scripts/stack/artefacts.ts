import { join } from "node:path";
import { run } from "../lib/run.ts";
import { REGISTRY } from "./pins.ts";
import type { Artefact } from "./source.ts";

/** The only platform the recipes build for. */
export const PLATFORM = "linux/amd64";

/** The name of an image of ours. */
export function reference(name: string, tag: string): string {
  return `${REGISTRY}/${name}:${tag}`;
}

/** A program of the host as an artefact. */
export function programArtefact(
  dir: string,
  kind: "binary" | "cni",
  name: string,
  version: string,
  source: string,
): Artefact {
  const path = `${kind === "cni" ? "cni" : "bin"}/${name}`;
  return { file: join(dir, name), entry: { name, version, kind, path, source, platform: PLATFORM } };
}

/**
 * An image archive as an artefact.
 *
 * @param dir Where `<name>.tar` is.
 * @throws When the archive is not one that docker-archive.ts wrote.
 */
export async function imageArtefact(
  dir: string,
  name: string,
  version: string,
  ref: string,
  source: string,
): Promise<Artefact> {
  const file = join(dir, `${name}.tar`);
  const imageId = await imageIdOf(file);
  return {
    file,
    entry: {
      name,
      version,
      kind: "image",
      path: `images/${name}.tar`,
      reference: ref,
      imageId,
      source,
      platform: PLATFORM,
    },
  };
}

/** The id of an archive's image: the name of its configuration, which is the configuration's digest. */
async function imageIdOf(file: string): Promise<string> {
  // The manifest is the first member; without --occurrence tar would read the whole archive.
  const { stdout } = await run(["tar", "--occurrence=1", "-xOf", file, "manifest.json"]);
  const id = /"Config":"([0-9a-f]{64})\.json"/.exec(stdout)?.[1];
  if (id === undefined)
    throw new Error(
      `Cannot read image archive "${file}": its manifest names no configuration; remove its directory and assemble again`,
    );
  return `sha256:${id}`;
}
