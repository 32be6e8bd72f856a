// Compiles the program to one file, dist/nodelet, with its second name dist/nodeletd, and runs it once.
// --trusted-key FILE (again and again) compiles in the keys of a maker of bundles instead of the development key.
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { $, type BunPlugin } from "bun";
import manifest from "../package.json" with { type: "json" };
import { developmentKey } from "./lib/development-key.ts";
import { Cache } from "./lib/cache.ts";

const top = join(import.meta.dir, "..");
const outfile = join(top, "dist/nodelet");

/**
 * dockerode can reach engines over ssh and build with BuildKit; we do neither. What it loads for that is 6 MB, and two
 * native addons that would unpack into /tmp.
 */
const withoutRemoteDocker: BunPlugin = {
  name: "without-remote-docker",
  setup(build) {
    build.onResolve({ filter: /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)$/ }, ({ path }) => ({
      path,
      namespace: "left-out",
    }));
    // Callable and endless: docker-modem reads a property of it when it is loaded.
    build.onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({
      loader: "js",
      contents: `const left = new Proxy(function () { throw new Error("${path} is left out of this program"); }, { get: (_, name) => name === "__esModule" ? false : left });
module.exports = left;`,
    }));
  },
};

/**
 * Builds dist/nodelet. A failed build leaves no old program behind that would pass for the new one.
 *
 * @param options `trustedKeys`: public keys whose bundles the program takes, as lines `ed25519:BASE64`; the development key
 * of this machine when absent
 */
export async function buildProgram(
  options: { trustedKeys?: readonly string[] } = {},
): Promise<{ path: string; bytes: number; ms: number }> {
  const begun = performance.now();
  const trustedKeys = options.trustedKeys ?? [(await developmentKey(Cache.standard())).publicKey];
  await rm(outfile, { force: true });
  await mkdir(join(top, "dist"), { recursive: true });
  const commit = (await $`git -C ${top} rev-parse --short HEAD`.nothrow().quiet().text()).trim() || "unknown";
  const result = await Bun.build({
    entrypoints: [join(top, "src/main.ts")],
    target: "bun",
    format: "esm",
    minify: true,
    sourcemap: "linked",
    bytecode: true,
    define: {
      BUILD_VERSION: JSON.stringify(manifest.version),
      BUILD_COMMIT: JSON.stringify(commit),
      BUILD_TRUSTED_KEYS: JSON.stringify(trustedKeys),
    },
    plugins: [withoutRemoteDocker],
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!result.success) throw new AggregateError(result.logs, "Cannot build dist/nodelet");
  await rm(join(top, "dist/nodeletd"), { force: true });
  await symlink("nodelet", join(top, "dist/nodeletd"));
  // From another directory with an empty environment: as an operator's host runs it.
  await $`env -i ${outfile} version`.cwd("/").quiet();
  return { path: outfile, bytes: Bun.file(outfile).size, ms: performance.now() - begun };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { "trusted-key": { type: "string", multiple: true } } });
  const given = values["trusted-key"];
  const { path, bytes, ms } = await buildProgram({
    ...(given && {
      trustedKeys: await Promise.all(given.map(async (file) => (await Bun.file(file).text()).trim())),
    }),
  });
  console.error(`${path}: ${(bytes / 1e6).toFixed(1)} MB in ${(ms / 1000).toFixed(1)} s`);
}
