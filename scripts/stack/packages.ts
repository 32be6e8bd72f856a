import { chmod, cp, mkdir, readdir, readlink, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { downloadPackages } from "../lib/apt.ts";
import { sha256File } from "../lib/hash.ts";
import { run } from "../lib/run.ts";

/** A fetched binary package. */
export interface Package {
  name: string;
  version: string;
  sha256: string;
  file: string;
  /** Absolute paths in the tree that it was unpacked into. */
  paths: string[];
}

/**
 * Fetches packages and unpacks them into one tree, without running their scripts.
 *
 * @param names The packages; their dependencies are not added.
 * @param work Scratch directory for the .deb files.
 * @param root The tree to fill.
 * @returns What was fetched, in order of name.
 */
export async function unpackPackages(
  names: readonly string[],
  work: string,
  root: string,
): Promise<Package[]> {
  const debs = join(work, "debs");
  await downloadPackages([...names].sort(), debs);
  await prepareMergedUsr(root);
  const found: Package[] = [];
  for (const file of (await readdir(debs)).filter((name) => name.endsWith(".deb")).sort()) {
    const path = join(debs, file);
    const { stdout } = await run(["dpkg-deb", "--show", "--showformat", "${Package} ${Version}", path]);
    const [name = "", version = ""] = stdout.split(" ");
    const tar = join(work, `${name}.tar`);
    await run(["sh", "-c", 'exec dpkg-deb --fsys-tarfile "$1" >"$2"', "sh", path, tar]);
    const extract = ["tar", "--extract", "--verbose", "--keep-directory-symlink", "--no-same-owner"];
    const names = (await run([...extract, "-f", tar, "-C", root])).stdout.trimEnd().split("\n");
    found.push({ name, version, sha256: await sha256File(path), file: path, paths: names.map(placeOf) });
  }
  return found;
}

const MERGED = ["bin", "sbin", "lib", "lib64"];

/** Where a member `./bin/ip` of a package ends up. */
function placeOf(member: string): string {
  const path = member.replace(/^\./, "");
  return MERGED.includes(path.split("/")[1] ?? "") ? `/usr${path}` : path;
}

/** Some packages still ship files in /bin, /sbin and /lib: those are links into /usr, as on an installed system. */
async function prepareMergedUsr(root: string): Promise<void> {
  for (const name of MERGED) {
    await mkdir(join(root, "usr", name), { recursive: true });
    await run(["ln", "-sfnT", `usr/${name}`, join(root, name)]);
  }
}

/**
 * Compares fetched packages with the pinned versions.
 *
 * @throws When a version is another one than the pin; a binary rebuild (`+b4`) of the pinned version is accepted.
 */
export function checkPins(found: Package[], pins: Record<string, string>): void {
  for (const [name, pin] of Object.entries(pins)) {
    const version = found.find((item) => item.name === name)?.version ?? "nothing";
    if (version.replace(/\+b\d+$/, "") === pin) continue;
    throw new Error(
      `Cannot use package "${name}": the mirror has ${version}; expected ${pin}; set the new version in scripts/stack/pins.ts after a test run`,
    );
  }
}

/**
 * Compares the upstream part of fetched versions with the one that was tested.
 *
 * @throws When it is another one; a security update of the distribution, which keeps it, is accepted.
 */
export function checkUpstream(found: Package[], versions: Record<string, string>): void {
  for (const [name, wanted] of Object.entries(versions)) {
    const version = found.find((item) => item.name === name)?.version ?? "nothing";
    // In front of a colon is the epoch, by which the distribution orders versions.
    if (version.replace(/^\d+:/, "").split(/[-+~]/)[0] === wanted) continue;
    throw new Error(
      `Cannot use package "${name}": the mirror has ${version}; expected upstream version ${wanted}; set the new one in scripts/stack/pins.ts after a test run`,
    );
  }
}

/** The fetched packages for the `source` field of an index. */
export function describePackages(found: Package[]): string {
  return found.map((item) => `${item.name} ${item.version} (sha256 ${item.sha256})`).join(", ");
}

/**
 * The shared libraries that a program of a tree needs, found the way the tree itself would find them.
 *
 * @param tree A tree with a C library in it.
 * @param program Absolute path in the tree.
 * @returns Absolute paths in the tree, the loader among them; none for a static program.
 * @throws When a library is missing.
 */
export async function librariesOf(tree: string, program: string): Promise<string[]> {
  const loader = "/lib64/ld-linux-x86-64.so.2";
  const { stdout, exitCode, stderr } = await run(["chroot", tree, loader, "--list", program], {
    accept: [0, 1, 127],
  });
  if (stdout.includes("statically linked")) return [];
  const lost =
    /^\s*(\S+) => not found/m.exec(stdout)?.[1] ?? /(lib\S+): cannot open shared object/.exec(stderr)?.[1];
  if (exitCode !== 0 || lost !== undefined) {
    throw new Error(
      `Cannot run "${program}" in an image: library ${lost ?? stderr.trim()} is missing; add its package in scripts/stack/pins.ts`,
    );
  }
  return [loader, ...[...stdout.matchAll(/=> (\/\S+)/g)].map((match) => match[1] ?? "").sort()];
}

/**
 * Follows the links of a path inside a tree. An absolute link means the tree's own root, not this machine's.
 *
 * @param path Absolute path in the tree.
 * @returns The file itself, as a path on this machine.
 * @throws When there is none.
 */
export async function resolveIn(tree: string, path: string): Promise<string> {
  const place = join(tree, path);
  const target = await readlink(place).catch(() => undefined);
  return target?.startsWith("/") ? resolveIn(tree, target) : realpath(place);
}

/**
 * Copies a program with the libraries it needs from one tree into another.
 *
 * @param program Absolute path in the first tree.
 * @param path Absolute path in the second one.
 */
export async function transplant(tree: string, program: string, root: string, path: string): Promise<void> {
  const copies = [
    [program, path],
    ...(await librariesOf(tree, program)).map((library) => [library, library]),
  ];
  for (const [from = "", to = ""] of copies) {
    const target = join(root, to);
    await mkdir(dirname(target), { recursive: true });
    await cp(await resolveIn(tree, from), target);
    await chmod(target, 0o755);
  }
}
