import { chmod, cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { aptUpdate, downloadPackages, ensurePackages } from "../lib/apt.ts";
import { Cache } from "../lib/cache.ts";
import { run, tail } from "../lib/run.ts";

/** Debian's smallest kernel: all that a console needs is built in. */
const KERNEL = "linux-image-cloud-amd64";
const SETUP_MODE = 0o755;

/** A machine that lives for one script. */
export interface VmOptions {
  /** What the first process does, as lines of busybox's shell; /proc, /sys and /dev are there. */
  script: string;
  /** Programs of this machine, by their place in the other; their libraries come along. */
  programs: Record<string, string>;
  /** Milliseconds from start to power-off. Default: two minutes. */
  timeoutMs?: number;
}

/** True where Debian's kernel can be started: the recipe knows one architecture. */
export const vmAvailable = process.arch === "x64";

/**
 * Starts Debian's kernel in an emulated machine and runs a script in it, to test what depends on a kernel that this machine
 * does not have or has set up in another way. It has two cores and no disk. Nothing of it needs the hardware's own support
 * for virtual machines.
 *
 * @returns what was written to the console
 * @throws when the machine does not come to the end of the script in time, with the last lines of the console
 */
export async function runInVm(options: VmOptions): Promise<string> {
  await ensurePackages(["qemu-system-x86", "busybox-static", "cpio"]);
  const kernel = join(await ensureKernel(), "vmlinuz");
  const room = await mkdtemp(join(tmpdir(), "nodelet-vm-"));
  try {
    const initrd = await makeInitrd(room, options);
    const machine = ["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024"];
    const console = ["-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none"];
    const boot = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet loglevel=0 panic=-1"];
    const { stdout } = await run(["qemu-system-x86_64", ...machine, ...console, "-no-reboot", ...boot], {
      timeoutMs: options.timeoutMs ?? 120_000,
      tied: true,
    });
    if (!stdout.includes(END)) throw new Error(`The machine did not end as it should: ${tail(stdout)}`);
    return stdout.replaceAll("\r", "");
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

const END = "end of the script";

/** The kernel of Debian, any version: what is tested with it has been the same for years. */
async function ensureKernel(): Promise<string> {
  const recipe = { name: "vm-kernel", key: { package: KERNEL, recipe: 1 } };
  const { dir } = await Cache.standard().cached(recipe, async ({ work, out }) => {
    await aptUpdate();
    const { stdout } = await run(["apt-cache", "depends", KERNEL]);
    const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
    if (!name) throw new Error(`Cannot find the kernel that "${KERNEL}" stands for: apt says: ${stdout}`);
    await downloadPackages([name], work);
    const files = await readdir(work);
    const deb = files.find((file) => file.endsWith(".deb")) ?? "";
    await run(["dpkg-deb", "--extract", deb, "tree"], { cwd: work });
    const version = name.replace("linux-image-", "");
    await cp(join(work, "tree/boot", `vmlinuz-${version}`), join(out, "vmlinuz"));
  });
  return dir;
}

/** The file system of the machine: busybox, the programs, and what they are linked with. */
async function makeInitrd(room: string, { script, programs }: VmOptions): Promise<string> {
  const tree = join(room, "tree");
  for (const dir of ["bin", "proc", "sys", "dev", "tmp"]) await mkdir(join(tree, dir), { recursive: true });
  const files = { "/bin/busybox": "/bin/busybox", ...programs };
  for (const [target, source] of Object.entries(files)) {
    await put(tree, { source, target });
    // A static one has none; then ldd says so and fails.
    const { stdout } = await run(["ldd", source], { accept: [0, 1] });
    for (const [library] of stdout.matchAll(/\/\S+/g)) await put(tree, { source: library, target: library });
  }
  await writeFile(join(tree, "init"), initOf(script));
  await chmod(join(tree, "init"), SETUP_MODE);
  await run(["sh", "-c", "find . | cpio --quiet -o -H newc > ../initrd"], { cwd: tree });
  return join(room, "initrd");
}

async function put(tree: string, { source, target }: { source: string; target: string }): Promise<void> {
  const place = join(tree, target);
  await mkdir(dirname(place), { recursive: true });
  await cp(source, place, { dereference: true });
}

function initOf(script: string): string {
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
${script}
echo "${END}"
# A change of the console's settings waits until all is sent; power-off does not.
stty -echo </dev/console
poweroff -f
`;
}
