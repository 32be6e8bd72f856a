// Makes dist/appliance/nodelet: the program with the stack behind it, signed with this machine's development key; and
// dist/appliance/nodelet.bundle, the same payload as a file of its own.
import { copyFile, link, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { openBundleFile } from "../src/bundle/bundle-file.ts";
import { createBundle } from "../src/bundle/create.ts";
import { readPrivateKey } from "../src/bundle/trust.ts";
import { assembleStack } from "./assemble.ts";
import { buildProgram } from "./build.ts";
import { Cache } from "./lib/cache.ts";
import { developmentKey } from "./lib/development-key.ts";
import { sha256File } from "./lib/hash.ts";
import { elapsed, requireRoot, runScript, say } from "./lib/progress.ts";

const top = join(import.meta.dir, "..");
const stack = join(top, "dist/stack");
const out = join(top, "dist/appliance");

/** Only what the benchmark's peer needs. */
const LEFT_OUT = ["kubeadm"];

/** The two files that {@linkcode makeAppliance} makes. */
export const APPLIANCE = join(out, "nodelet");
export const BUNDLE = join(out, "nodelet.bundle");

/** Packs dist/nodelet and dist/stack, which must be there. Compressing is done once for a stack; the cache keeps it. */
export async function makeAppliance(cache: Cache): Promise<{ bytes: number }> {
  const { file } = await developmentKey(cache);
  const key = readPrivateKey(await Bun.file(file).text(), file);
  await mkdir(out, { recursive: true });
  const content = await sha256File(join(stack, "index.json"));
  const recipe = { content, LEFT_OUT, key: await sha256File(file) };
  const { dir } = await cache.cached({ name: "bundle", key: recipe }, async (room) => {
    await createBundle({ from: { stack, leaveOut: LEFT_OUT }, key, out: join(room.out, "nodelet.bundle") });
  });
  await place(join(dir, "nodelet.bundle"), BUNDLE);
  const bundle = await openBundleFile({ path: BUNDLE });
  if (!bundle) throw new Error(`Cannot use "${BUNDLE}": it is no bundle; remove ${dir} and run again`);
  await createBundle({ from: { bundle }, program: join(top, "dist/nodelet"), key, out: APPLIANCE });
  return { bytes: Bun.file(APPLIANCE).size };
}

async function place(source: string, target: string): Promise<void> {
  await rm(`${target}.new`, { force: true });
  await link(source, `${target}.new`).catch(() => copyFile(source, `${target}.new`));
  await rename(`${target}.new`, target);
}

if (import.meta.main) {
  await runScript(async () => {
    requireRoot("assemble the stack");
    const started = performance.now();
    const cache = Cache.standard();
    await buildProgram();
    await assembleStack({ out: stack, cache });
    const { bytes } = await makeAppliance(cache);
    say(`${APPLIANCE}: ${(bytes / 1e6).toFixed(1)} MB after ${elapsed(started)}`);
  });
}
