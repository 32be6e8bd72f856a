import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../lib/run.ts";
import { isStatic, LOADER, PREFIX } from "./relocate.ts";

/** Each loads all that it needs; the last one loads a plugin as well. */
const TRIALS = [
  ["containerd", "--version"],
  ["containerd-shim-runc-v2", "-v"],
  ["ctr", "--version"],
  ["docker", "--version"],
  ["docker-init", "--version"],
  ["dockerd", "--version"],
  ["ip", "-V"],
  ["ipset", "--help"],
  ["kmod", "--version"],
  ["runc", "--version"],
  ["socat", "-V"],
  ["conntrack", "--version"],
  ["ebtables", "--version"],
  ["iptables", "--version"],
  ["iptables", "-m", "comment", "--help"],
];

/**
 * Looks whether a tree stands by itself: in a root with nothing else in it, every file finds its libraries in the tree, and
 * the programs start.
 *
 * @param root The tree is at its final place below it.
 * @throws When a library is missing, found elsewhere, or a program does not start.
 */
export async function checkRuntime(root: string, { files }: { files: { name: string }[] }): Promise<void> {
  for (const { name } of files) {
    const needsNone = name.startsWith("bin/") && (await isStatic(join(root, PREFIX, name)));
    if (!needsNone) await checkLibraries(root, join(PREFIX, name));
  }
  // Go's runtime and ipset want it.
  await mkdir(join(root, "dev"), { recursive: true });
  await writeFile(join(root, "dev/null"), "");
  // On a network of their own: some look at its rules, and this machine's are no business of theirs.
  for (const [program = "", ...args] of TRIALS)
    await run(["unshare", "--net", "chroot", root, join(PREFIX, "bin", program), ...args]);
}

async function checkLibraries(root: string, path: string): Promise<void> {
  const argv = ["chroot", root, join(PREFIX, LOADER), "--list", path];
  const { stdout, stderr } = await run(argv, { accept: [0, 1, 127] });
  const lines = stdout.split("\n").filter((line) => line.includes("=>"));
  const stray = lines.find((line) => !line.includes(`=> ${PREFIX}/`));
  if (stray === undefined && stderr === "") return;
  throw new Error(
    `Cannot use "${path}" of the runtime: it does not find its libraries in the tree: ${stray ?? stderr}`,
  );
}
