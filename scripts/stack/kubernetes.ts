import { existsSync } from "node:fs";
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { downloadSource, ensurePackages } from "../lib/apt.ts";
import type { Cache, Cached } from "../lib/cache.ts";
import { sha256File } from "../lib/hash.ts";
import { run } from "../lib/run.ts";
import { GO, KUBERNETES, REFLECT2, SUITE } from "./pins.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 2;

const COMMANDS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "kubelet",
  "kubeadm",
  "kubectl",
] as const;

/** A program that the Kubernetes build gives. */
export type KubernetesProgram = (typeof COMMANDS)[number];

const BUILD_PACKAGES = [GO.package, REFLECT2.package, "dpkg-dev", "gcc", "jq", "libc6-dev", "make", "rsync"];
const COMPILE_DEADLINE_MS = 40 * 60_000;

/**
 * Runs a command in a directory that only the command sees as /mnt: the compiler writes the path of the tree into the
 * programs, and they are to be the same wherever the cache is.
 */
const AT_FIXED_PATH = [
  "unshare",
  "--mount",
  "--",
  "sh",
  "-c",
  'mount --bind "$1" /mnt && cd /mnt && shift && exec "$@"',
  "sh",
];

/** What the Kubernetes programs were made from. */
export const KUBERNETES_SOURCE = [
  `Debian source package ${KUBERNETES.package} ${KUBERNETES.packageVersion}`,
  `(dsc sha256 ${KUBERNETES.sha256["kubernetes_1.20.5+really1.20.2-1.1+deb12u1.dsc"]}), Go ${GO.version}`,
].join(" ");

/**
 * Builds all Kubernetes programs, statically linked, in one go: they share most of their packages.
 *
 * @returns The cache entry; the programs are in it by name.
 * @throws When the source is not the pinned one or does not compile.
 */
export async function kubernetesPrograms(cache: Cache): Promise<Cached> {
  const key = {
    recipe: RECIPE,
    kubernetes: KUBERNETES,
    go: GO,
    reflect2: REFLECT2.package,
    commands: COMMANDS,
  };
  return cache.cached({ name: "kubernetes", key, resumable: true }, async ({ work, out }) => {
    await ensurePackages(BUILD_PACKAGES);
    await checkCompiler();
    const tree = join(work, "src");
    if (!existsSync(tree)) await unpackSource(work, tree);
    await compile(work, tree);
    // _output/bin is a link that leads here only for the compiler.
    const programs = join(tree, "_output", "local", "bin", "linux", "amd64");
    for (const name of COMMANDS) await rename(join(programs, name), join(out, name));
    // The tree is 2 GB with the compiler's cache; nothing needs it any more.
    await rm(tree, { recursive: true });
  });
}

async function checkCompiler(): Promise<void> {
  const { stdout } = await run([join(GO.bin, "go"), "version"]);
  if (stdout.includes(`go${GO.version} `)) return;
  throw new Error(
    `Cannot build Kubernetes: the Go compiler of ${GO.package} says "${stdout.trim()}"; expected go${GO.version} as in scripts/stack/pins.ts`,
  );
}

/** Fetches, checks and unpacks the source; the tree appears under its name when it is complete and corrected. */
async function unpackSource(work: string, tree: string): Promise<void> {
  await mkdir(work, { recursive: true });
  await downloadSource(KUBERNETES.package, KUBERNETES.packageVersion, SUITE, work);
  for (const [file, pin] of Object.entries(KUBERNETES.sha256)) {
    const found = await sha256File(join(work, file));
    if (found !== pin)
      throw new Error(
        `Cannot use "${file}": its sha256 is ${found}; expected ${pin} as in scripts/stack/pins.ts`,
      );
  }
  const fresh = `${tree}.new`;
  await rm(fresh, { recursive: true, force: true });
  const dsc = Object.keys(KUBERNETES.sha256).find((file) => file.endsWith(".dsc")) ?? "";
  // The files were checked above and by apt; the uploader's own key is usually not on the machine.
  await run(["dpkg-source", "--no-check", "-x", basename(dsc), fresh], { cwd: work });
  const vendored = join(fresh, "vendor", "github.com", "modern-go", "reflect2");
  await rm(vendored, { recursive: true });
  await cp(REFLECT2.directory, vendored, { recursive: true, dereference: true });
  await rename(fresh, tree);
}

async function compile(work: string, tree: string): Promise<void> {
  const stamp = await run(["dpkg-parsechangelog", "-STimestamp"], { cwd: tree });
  // An environment of our own: a GOFLAGS or GOPATH of the user would change the result.
  const env = {
    HOME: work,
    PATH: `${GO.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    LC_ALL: "C.UTF-8",
    GO111MODULE: "off",
    GOFLAGS: "",
    GOTOOLCHAIN: "local",
    SOURCE_DATE_EPOCH: stamp.stdout.trim(),
    KUBE_GIT_VERSION: KUBERNETES.version,
    KUBE_GIT_COMMIT: KUBERNETES.commit,
    KUBE_GIT_TREE_STATE: "archive",
    KUBE_STATIC_OVERRIDES: "kubelet",
  };
  const what = COMMANDS.map((name) => `cmd/${name}`).join(" ");
  const make = ["make", "all", `WHAT=${what}`, "GOLDFLAGS=-s -w"];
  await run([...AT_FIXED_PATH, tree, ...make], { env, timeoutMs: COMPILE_DEADLINE_MS, tied: true });
}
