import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../lib/run.ts";

/** Where the tree stands on every host: ELF files name their loader by its absolute path. */
export const PREFIX = "/opt/pf9";

/** Loader of x86-64, below {@linkcode PREFIX}. */
export const LOADER = "lib/ld-linux-x86-64.so.2";

/** Below {@linkcode PREFIX}: the plugins of iptables. */
export const PLUGINS = "lib/xtables";

/** The loader finds itself, and the C library needs nothing but the loader: both stay as they were made. */
const SELF_CONTAINED = [LOADER, "lib/libc.so.6"];

/** A file on its way into the tree. */
export interface Relocation {
  /** The file on this machine. */
  source: string;
  /** Its place below {@linkcode PREFIX}. */
  name: string;
  /** A dynamic program gets a loader and a path, a library or plugin a path; a static program nothing. */
  type: "program" | "library" | "static";
}

/**
 * Copies a file into the tree and makes it find its loader and libraries there, whatever the host has.
 *
 * @param root The directory that stands for {@linkcode PREFIX}.
 * @returns The mode it has there.
 * @throws When patchelf cannot change it.
 */
export async function relocate({ source, name, type }: Relocation, root: string): Promise<number> {
  const target = join(root, name);
  const mode = type === "library" && name !== LOADER ? 0o644 : 0o755;
  await mkdir(dirname(target), { recursive: true });
  await cp(source, target);
  // DT_RPATH and not DT_RUNPATH: it comes before LD_LIBRARY_PATH, and holds for the libraries of libraries.
  const path = ["--set-rpath", `${PREFIX}/lib`, "--force-rpath"];
  const loader = type === "program" ? ["--set-interpreter", join(PREFIX, LOADER)] : [];
  if (type !== "static" && !SELF_CONTAINED.includes(name))
    await run(["patchelf", ...loader, ...path, target]);
  await chmod(target, mode);
  return mode;
}

/** Whether a program names no loader: it needs no library, and the loader would crash on it. */
export async function isStatic(program: string): Promise<boolean> {
  const { exitCode } = await run(["patchelf", "--print-interpreter", program], { accept: [0, 1] });
  return exitCode === 1;
}

/**
 * Replaces a text that a compiler put into a file, in place: the new one is padded with NUL bytes.
 *
 * @param from The text; it must be there exactly once, followed by NUL.
 * @param to Not longer than `from`.
 * @throws When it is not so.
 */
export async function replaceText(file: string, { from, to }: { from: string; to: string }): Promise<void> {
  const data = await readFile(file);
  const wanted = Buffer.from(`${from}\0`);
  const at = data.indexOf(wanted);
  const times = at === -1 ? 0 : data.indexOf(wanted, at + 1) === -1 ? 1 : 2;
  if (times !== 1 || to.length > from.length) {
    throw new Error(
      `Cannot change "${from}" to "${to}" in "${file}": found it ${["not at all", "once", "more than once"][times]}; expected once, and no longer text for it`,
    );
  }
  data.fill(0, at, at + wanted.length);
  data.write(to, at, "latin1");
  await writeFile(file, data);
}
