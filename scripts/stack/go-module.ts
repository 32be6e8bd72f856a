import { existsSync } from "node:fs";
import { join } from "node:path";
import { run, tail } from "../lib/run.ts";
import { GO } from "./pins.ts";

const DOWNLOAD_DEADLINE_MS = 120_000;

/** The machine has no way to get Go modules; the stack is complete without what is made from them. */
export class NoModules extends Error {}

/** A module as `pins.ts` names it. */
export interface GoModule {
  module: string;
  /** Without the `v`. */
  version: string;
  /** The checksum that `go.sum` files carry. */
  sum: string;
}

/** The compiler of the recipes. */
export const go = join(GO.bin, "go");

/** Where a module comes from, for the `source` field of an index. */
export function describeModule({ module, version, sum }: GoModule): string {
  return `Go module ${module}@v${version} (${sum}), Go ${GO.version}`;
}

/** Environment of a build below a scratch directory: nothing of it stays on the machine. */
export async function goEnv(work: string): Promise<Record<string, string>> {
  return {
    HOME: process.env["HOME"] ?? "/root",
    PATH: `${GO.bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
    ...(await moduleSettings()),
    GOPATH: join(work, "gopath"),
    GOCACHE: join(work, "gocache"),
    GOFLAGS: "-trimpath -modcacherw",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
  };
}

/**
 * Fetches the source of a module.
 *
 * @returns its directory
 * @throws NoModules when modules cannot be fetched here; Error when the checksum is another one than the pin
 */
export async function fetchModule(
  { module, version, sum }: GoModule,
  { env, work }: { env: Record<string, string>; work: string },
): Promise<string> {
  const name = `${module}@v${version}`;
  const found = await download([go, "mod", "download", "-json", name], { env, work });
  if (found.Sum === sum) return found.Dir ?? "";
  throw new Error(
    `Cannot use module "${name}": its checksum is ${found.Sum}; expected ${sum} as in scripts/stack/pins.ts`,
  );
}

async function download(
  argv: string[],
  { env, work }: { env: Record<string, string>; work: string },
): Promise<{ Sum?: string; Dir?: string }> {
  const limits = { timeoutMs: DOWNLOAD_DEADLINE_MS, accept: [0, 1] };
  const { stdout } = await run(argv, { env, cwd: work, ...limits }).catch((error: Error) => {
    throw new NoModules(`Go modules cannot be fetched on this machine: ${tail(error.message, 1)}`);
  });
  const answer = JSON.parse(stdout === "" ? '{"Error":"no answer"}' : stdout) as {
    Sum?: string;
    Dir?: string;
    Error?: string;
  };
  if (answer.Error === undefined) return answer;
  throw new NoModules(`Go modules cannot be fetched on this machine: ${answer.Error}`);
}

/** Proxy and checksum settings of the Go that the machine's owner set up; the packaged compiler does not read that one's files. */
async function moduleSettings(): Promise<Record<string, string>> {
  const own = Bun.which("go") ?? go;
  if (!existsSync(own)) return {};
  const names = ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE"];
  const { stdout } = await run([own, "env", "-json", ...names]);
  const settings = Object.entries(JSON.parse(stdout) as Record<string, string>);
  return Object.fromEntries(settings.filter(([, value]) => value !== ""));
}
