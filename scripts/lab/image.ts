import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { aptEntries, ensurePackages } from "../lib/apt.ts";
import { Cache } from "../lib/cache.ts";
import { elapsed, say } from "../lib/progress.ts";
import { run } from "../lib/run.ts";
import { placeProgram, writeImage } from "../stack/docker-archive.ts";
import { SUITE } from "../stack/pins.ts";
import { docker } from "./engine.ts";
import { KERNEL_UNIT, MASKED, NEEDLESS, PACKAGES, renderKernelUnit, type Variant } from "./image-contents.ts";
import { buildWrapper, lacksSysResource, wrapperSettings } from "./limits.ts";

/** Raised by one whenever the steps below change in a way that changes the result. */
const RECIPE = 3;

const DEBOOTSTRAP_DEADLINE_MS = 15 * 60_000;

/** Where the wrapper is in a lab host. */
const WRAPPER = "/usr/local/sbin/runc-lab";

/**
 * Makes sure the lab's engine has the image of a lab host: Debian with systemd, and with a Docker engine of its own or bare.
 *
 * @returns The image's reference.
 * @throws When the root file system cannot be built.
 */
export async function ensureImage(
  cache: Cache = Cache.standard(),
  variant: Variant = "docker",
): Promise<string> {
  const name = variant === "bare" ? "lab-bare" : "lab-host";
  const limited = await lacksSysResource();
  const wrapper = await buildWrapper(cache);
  const key = {
    recipe: RECIPE,
    suite: SUITE,
    PACKAGES: PACKAGES[variant],
    MASKED,
    NEEDLESS,
    kernel: renderKernelUnit(),
    wrapper: limited ? basename(dirname(wrapper)) : "none",
  };
  const started = performance.now();
  const { dir, hit } = await cache.cached({ name, key }, async ({ work, out }) => {
    say(`${name} image: building with debootstrap (about a minute) …`);
    const root = join(work, "root");
    await bootstrap(root, PACKAGES[variant]);
    await configure(root, limited ? wrapper : undefined);
    const spec = {
      reference: `nodelet-${name}:building`,
      labels: { "nodelet.lab": "1" },
      entrypoint: ["/sbin/init"],
      keepOwners: true,
    };
    const id = await writeImage(root, join(out, "image.tar"), spec);
    await writeFile(join(out, "id"), id);
  });
  if (!hit) say(`${name} image: built, ${elapsed(started)}`);
  const id = (await Bun.file(join(dir, "id")).text()).trim();
  const { exitCode } = await docker(["image", "inspect", id], { accept: [0, 1] });
  if (exitCode !== 0) {
    const loading = performance.now();
    await docker(["load", "-q", "-i", join(dir, "image.tar")]);
    say(`${name} image: loaded, ${elapsed(loading)}`);
  }
  return id;
}

async function bootstrap(root: string, packages: readonly string[]): Promise<void> {
  await ensurePackages(["debootstrap"]);
  const [mirror] = await aptEntries(SUITE);
  if (mirror === undefined)
    throw new Error(`Cannot find a mirror of Debian "${SUITE}" in the machine's package sources`);
  const keyring = mirror.signedBy === undefined ? [] : [`--keyring=${mirror.signedBy}`];
  const options = ["--variant=minbase", `--include=${packages.join(",")}`, ...keyring];
  await run(["debootstrap", ...options, SUITE, root, mirror.uri], {
    timeoutMs: DEBOOTSTRAP_DEADLINE_MS,
    tied: true,
  });
}

async function configure(root: string, wrapper: string | undefined): Promise<void> {
  for (const path of NEEDLESS) await rm(join(root, path), { recursive: true, force: true });
  for (const unit of MASKED) await link("/dev/null", join(root, "etc/systemd/system", unit));
  await link("/lib/systemd/system/multi-user.target", join(root, "etc/systemd/system/default.target"));
  const units = join(root, "etc/systemd/system");
  await mkdir(join(units, "sysinit.target.wants"), { recursive: true });
  await writeFile(join(units, KERNEL_UNIT), renderKernelUnit());
  await link(join("/etc/systemd/system", KERNEL_UNIT), join(units, "sysinit.target.wants", KERNEL_UNIT));
  // The mirror's address is the build machine's affair, and a lab host has no way out.
  await rm(join(root, "etc/apt/sources.list"), { force: true });
  await writeFile(join(root, "etc/hostname"), "lab\n");
  // An empty file makes systemd give every host an identity of its own at its first start.
  await writeFile(join(root, "etc/machine-id"), "");
  // Where systemd looks for it first: D-Bus made one when it was installed.
  await rm(join(root, "var/lib/dbus/machine-id"), { force: true });
  await mkdir(join(root, "etc/docker"), { recursive: true });
  if (wrapper !== undefined) {
    await placeProgram(wrapper, root, WRAPPER);
    await writeFile(
      join(root, "etc/docker/daemon.json"),
      `${JSON.stringify(wrapperSettings(WRAPPER), null, 2)}\n`,
    );
  }
  const logs = join(root, "var/log");
  for (const item of await readdir(logs)) if (item.endsWith(".log")) await rm(join(logs, item));
}

async function link(target: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}
