// From a fresh machine to a live cluster: makes the appliance, starts a bare lab host, copies the one file, runs init there.
import { copyFile, rename } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { $ } from "bun";
import { APPLIANCE, makeAppliance } from "./appliance.ts";
import { assembleStack } from "./assemble.ts";
import { buildProgram } from "./build.ts";
import { DOCKER, SOCKET } from "./lab/constants.ts";
import { ensureEngine } from "./lab/engine.ts";
import { type LabHost, listHosts, startHost } from "./lab/host.ts";
import { ensureImage } from "./lab/image.ts";
import { Cache } from "./lib/cache.ts";
import { elapsed, megabytes, Progress, requireRoot, runScript, say } from "./lib/progress.ts";

const KUBECTL = ["/opt/pf9/bin/kubectl", "--kubeconfig", "/etc/pf9/kube.d/kubeconfigs/admin.yaml"];
const LOOK = ["get", "nodes,pods", "-A", "-o", "wide"];
/** The kubelet tells of the control plane, which it starts by itself, some seconds later than of other pods. */
const SETTLED = ["wait", "pods", "--all", "-A", "--for", "condition=Ready", "--timeout", "60s"];
const HERE = "/usr/local/bin/nodelet";

const HELP = `Usage: scripts/quickstart [--name NAME] [--here]

Builds the appliance, dist/appliance/nodelet: one file with Kubernetes, its images and a container engine. Starts a bare lab
host (a container with systemd, and no Docker, no default route, no name server), copies the file there, runs ./nodelet
init, and shows the live cluster. The second run takes what it can from the cache.

  --name NAME   name of the lab host (default: quickstart)
  --here        make this machine the node: it must run systemd
`;

/** The one file, made anew from this checkout. */
async function build(progress: Progress): Promise<void> {
  const cache = Cache.standard();
  await progress.step("dist/nodelet", async (note) => note(megabytes((await buildProgram()).bytes)));
  await progress.step("the stack: Kubernetes, its images, a container engine", () =>
    assembleStack({ out: join(import.meta.dir, "../dist/stack"), cache }),
  );
  await progress.step("the appliance: all of it in one file, dist/appliance/nodelet", async (note) =>
    note(megabytes((await makeAppliance(cache)).bytes)),
  );
}

/** Starts a bare lab host, copies the file there, and makes it a node. */
async function onLabHost(name: string, progress: Progress): Promise<void> {
  await progress.step("lab engine and the image of bare hosts", async () => {
    const cache = Cache.standard();
    await ensureEngine(cache);
    await ensureImage(cache, "bare");
  });
  const host = await progress.step(`bare lab host "${name}"`, () => startHost({ name, bare: true }));
  await progress.step("copy of the one file to /root/nodelet there", () =>
    host.copyIn(APPLIANCE, "/root/nodelet"),
  );
  await progress.step("./nodelet init", () => init(host));
  await progress.step("all pods ready", () => kubectl(host, SETTLED));
  const stdout = await kubectl(host, LOOK);
  process.stdout.write(`\n${stdout}\n${waysOn(host)}`);
}

async function init(host: LabHost): Promise<void> {
  const running = await host.spawn(["./nodelet", "init"], { cwd: "/root" });
  for await (const { text } of running.lines) say(`  ${text}`);
  const code = await running.exited;
  if (code === 0) return;
  throw new Error(
    `nodelet init ended with exit code ${code}; its words are above; the host is still there: ${enter(host.name)} bash`,
  );
}

async function kubectl(host: LabHost, args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await host.exec([...KUBECTL, ...args]);
  if (exitCode === 0) return stdout;
  throw new Error(`Cannot look at the cluster: ${stderr}`);
}

function waysOn({ name, ip }: LabHost): string {
  const there = enter(name);
  return `The cluster runs on the lab host "${name}" (${ip}).
Reach it:   ${there} ${[...KUBECTL, "get", "nodes"].join(" ")}
            ${there} ./nodelet kubeconfig    # for a kubectl of your own, at https://${ip}:6443
Look at it: ${there} ./nodelet status
            ${there} bash
Undo it:    ${there} ./nodelet reset
Remove it:  node_modules/.bin/bun scripts/lab.ts rm ${name}
`;
}

function enter(name: string): string {
  return `DOCKER_HOST=unix://${SOCKET} ${DOCKER} exec -it -w /root ${name}`;
}

/** Makes this machine the node. */
async function onThisMachine(progress: Progress): Promise<void> {
  await progress.step(`copy of the one file to ${HERE}`, async () => {
    // A program that runs from the old file keeps it.
    await copyFile(APPLIANCE, `${HERE}.new`);
    await rename(`${HERE}.new`, HERE);
  });
  await progress.step("nodelet init", async () => {
    const code = await Bun.spawn([HERE, "init"], { stdio: ["ignore", "inherit", "inherit"] }).exited;
    if (code !== 0) throw new Error(`nodelet init ended with exit code ${code}; its words are above`);
  });
  await $`${KUBECTL} ${SETTLED}`.quiet();
  process.stdout.write(await $`${KUBECTL} ${LOOK}`.text());
  process.stdout.write("Look at it: nodelet status\nUndo it:    nodelet reset\n");
}

/** What can be refused before minutes of building. */
async function refuse({ name, here }: { name: string; here: boolean }): Promise<void> {
  requireRoot("set up a cluster");
  if (here && !existsSync("/run/systemd/system"))
    throw new Error("Cannot use this machine: it does not run systemd; leave --here out for a lab host");
  if (here) return;
  // It is the name of the Node as well.
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `Cannot start a lab host "${name}": expected a name of small letters, digits and dashes, at most 63`,
    );
  }
  // A host of that name may hold a cluster that somebody uses.
  if (!existsSync(SOCKET) || !(await listHosts()).some((host) => host.name === name)) return;
  throw new Error(
    `Cannot start the lab host "${name}": it is there already; remove it with "node_modules/.bin/bun scripts/lab.ts rm ${name}" or give another --name`,
  );
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "quickstart" },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  await refuse(values);
  const started = performance.now();
  const progress = new Progress(values.here ? 5 : 8);
  await build(progress);
  await (values.here ? onThisMachine(progress) : onLabHost(values.name, progress));
  say(`done after ${elapsed(started)}`);
});
