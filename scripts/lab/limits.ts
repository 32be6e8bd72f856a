import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ensurePackages } from "../lib/apt.ts";
import type { Cache } from "../lib/cache.ts";
import { run } from "../lib/run.ts";

const CAP_SYS_RESOURCE = 24n;

/**
 * Whether this machine forbids its root to raise resource limits, which container engines take for granted.
 *
 * @throws When /proc does not tell.
 */
export async function lacksSysResource(): Promise<boolean> {
  const status = await readFile("/proc/self/status", "utf8");
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (bounding === undefined)
    throw new Error('Cannot read "/proc/self/status": no CapBnd line; expected Linux');
  return ((BigInt(`0x${bounding}`) >> CAP_SYS_RESOURCE) & 1n) === 0n;
}

/**
 * Builds the wrapper that makes containers work on such a machine.
 *
 * @returns The static program, for this machine and for the lab hosts.
 */
export async function buildWrapper(cache: Cache): Promise<string> {
  const source = join(import.meta.dir, "runc-lab.c");
  const text = await readFile(source, "utf8");
  const { dir } = await cache.cached({ name: "runc-lab", key: { text } }, async ({ out }) => {
    await ensurePackages(["gcc", "libc6-dev"]);
    const options = ["-Os", "-Wall", "-Wextra", "-Werror", "-static", "-s"];
    await run(["gcc", ...options, "-o", join(out, "runc-lab"), source]);
  });
  return join(dir, "runc-lab");
}

/** The part of an engine's daemon.json that puts a wrapper in front of runc. */
export function wrapperSettings(path: string): Record<string, unknown> {
  return { runtimes: { lab: { path } }, "default-runtime": "lab" };
}
