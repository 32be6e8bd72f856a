import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256File, sha256Text } from "../lib/hash.ts";
import { run } from "../lib/run.ts";

/** What an image is, apart from its files. */
export interface ImageSpec {
  /** The name and tag that `docker load` gives it. */
  reference: string;
  /** The program and arguments it starts with. */
  entrypoint?: string[];
  /** `user[:group]`; root when left out. */
  user?: string;
  labels?: Record<string, string>;
  /** Keep the owners that the files have; by default everything belongs to root. */
  keepOwners?: boolean;
}

/** The moment all images claim to be from: the same files give the same image id on any day. */
const CREATED = "1970-01-01T00:00:00Z";
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const STABLE = ["--sort=name", "--mtime=@0", "--numeric-owner", "--format=gnu"];
const AS_ROOT = ["--owner=0", "--group=0"];

/**
 * Writes a directory as an image in the form that `docker save` writes and `docker load` reads, without an engine.
 *
 * @param root The files of the image's only layer.
 * @param archive The tar to write; it appears under this name when it is complete.
 * @returns The image id: the digest of the image's configuration.
 * @throws When tar fails or the disk is full.
 */
export async function writeImage(root: string, archive: string, spec: ImageSpec): Promise<string> {
  const stage = `${archive}.parts`;
  await rm(stage, { recursive: true, force: true });
  await mkdir(stage, { recursive: true });
  await chmod(root, 0o755);
  const owners = spec.keepOwners === true ? [] : AS_ROOT;
  await run(["tar", ...STABLE, ...owners, "-C", root, "-cf", join(stage, "layer.tar"), "."]);
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    created: CREATED,
    config: {
      Env: [PATH],
      ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.labels === undefined ? {} : { Labels: spec.labels }),
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${await sha256File(join(stage, "layer.tar"))}`] },
    history: [{ created: CREATED, created_by: "nodelet stack assembly" }],
  });
  const id = sha256Text(config);
  await writeFile(join(stage, `${id}.json`), config);
  const manifest = [{ Config: `${id}.json`, RepoTags: [spec.reference], Layers: ["layer.tar"] }];
  await writeFile(join(stage, "manifest.json"), `${JSON.stringify(manifest)}\n`);
  // The manifest goes first: a reader of the stream knows the id before the layer comes.
  const parts = ["manifest.json", `${id}.json`, "layer.tar"];
  const modes = ["--mode=0644"];
  await run([
    "tar",
    ...STABLE.slice(1),
    ...AS_ROOT,
    ...modes,
    "-C",
    stage,
    "-cf",
    `${archive}.new`,
    ...parts,
  ]);
  await rename(`${archive}.new`, archive);
  await rm(stage, { recursive: true });
  return `sha256:${id}`;
}

/**
 * Puts a program into the tree of an image.
 *
 * @param source The file on this machine.
 * @param root The image's tree.
 * @param path Its absolute path in the image.
 */
export async function placeProgram(source: string, root: string, path: string): Promise<void> {
  const target = join(root, path);
  await mkdir(dirname(target), { recursive: true });
  await Bun.write(target, Bun.file(source));
  await chmod(target, 0o755);
}
