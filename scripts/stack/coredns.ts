import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages } from "../lib/apt.ts";
import { run, tail } from "../lib/run.ts";
import { imageArtefact, reference } from "./artefacts.ts";
import { placeProgram, writeImage } from "./docker-archive.ts";
import { keepLicences, licenceArtefacts } from "./licences.ts";
import { COREDNS, GO } from "./pins.ts";
import type { Recipe } from "./source.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 2;

const DOWNLOAD_DEADLINE_MS = 120_000;
const BUILD_DEADLINE_MS = 20 * 60_000;

/** The machine has no way to get Go modules; the stack is complete without CoreDNS. */
class NoModules extends Error {}

/** The cluster's name server, built from its Go module; left out where modules cannot be fetched. */
export const coredns: Recipe = {
  title: "CoreDNS image",
  async produce(cache) {
    const spec = { reference: reference("coredns", COREDNS.version), entrypoint: ["/usr/local/bin/coredns"] };
    const key = { recipe: RECIPE, spec, coredns: COREDNS, go: GO };
    const source = `Go module ${COREDNS.module}@v${COREDNS.version} (${COREDNS.sum}), Go ${GO.version}`;
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
  const go = join(GO.bin, "go");
  const module = `${COREDNS.module}@v${COREDNS.version}`;
  const env = {
    HOME: process.env["HOME"] ?? "/root",
    PATH: `${GO.bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
    ...(await moduleSettings()),
    GOPATH: join(work, "gopath"),
    GOCACHE: join(work, "gocache"),
    GOFLAGS: "-trimpath -modcacherw",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
  };
  const found = await fetchModule([go, "mod", "download", "-json", module], env, work);
  if (found.Sum !== COREDNS.sum) {
    throw new Error(
      `Cannot use module "${module}": its checksum is ${found.Sum}; expected ${COREDNS.sum} as in scripts/stack/pins.ts`,
    );
  }
  await run([go, "install", "-ldflags", "-s -w", module], {
    env,
    cwd: work,
    timeoutMs: BUILD_DEADLINE_MS,
    tied: true,
  });
  return { program: join(work, "gopath", "bin", "coredns"), licence: join(found.Dir ?? "", "LICENSE") };
}

async function fetchModule(
  argv: string[],
  env: Record<string, string>,
  cwd: string,
): Promise<{ Sum?: string; Dir?: string }> {
  const limits = { timeoutMs: DOWNLOAD_DEADLINE_MS, accept: [0, 1] };
  const { stdout } = await run(argv, { env, cwd, ...limits }).catch((error: Error) => {
    throw new NoModules(`Go modules cannot be fetched on this machine: ${tail(error.message, 1)}`);
  });
  const answer = JSON.parse(stdout === "" ? '{"Error":"no answer"}' : stdout) as {
    Sum?: string;
    Dir?: string;
    Error?: string;
  };
  if (answer.Error !== undefined) {
    throw new NoModules(`Go modules cannot be fetched on this machine: ${answer.Error}`);
  }
  return answer;
}

/** Proxy and checksum settings of the Go that the machine's owner set up; the packaged compiler does not read that one's files. */
async function moduleSettings(): Promise<Record<string, string>> {
  const own = Bun.which("go") ?? join(GO.bin, "go");
  if (!existsSync(own)) return {};
  const names = ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE"];
  const { stdout } = await run([own, "env", "-json", ...names]);
  const settings = Object.entries(JSON.parse(stdout) as Record<string, string>);
  return Object.fromEntries(settings.filter(([, value]) => value !== ""));
}
