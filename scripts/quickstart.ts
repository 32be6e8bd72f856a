// From a fresh machine to a live cluster: builds the program and the stack, starts a lab host, runs `nodelet init` there.
import { copyFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { $ } from "bun";
import { assembleStack } from "./assemble.ts";
import { buildProgram } from "./build.ts";
import { DOCKER, SOCKET } from "./lab/constants.ts";
import { ensureEngine } from "./lab/engine.ts";
import { type LabHost, listHosts, startHost } from "./lab/host.ts";
import { ensureImage } from "./lab/image.ts";
import { Cache } from "./lib/cache.ts";
import { elapsed, Progress, requireRoot, runScript, say } from "./lib/progress.ts";

const top = join(import.meta.dir, "..");
const stack = join(top, "dist/stack");
const KUBECTL = ["/opt/pf9/bin/kubectl", "--kubeconfig", "/etc/pf9/kube.d/kubeconfigs/admin.yaml"];
const LOOK = ["get", "nodes,pods", "-A", "-o", "wide"];

const HELP = `Usage: scripts/quickstart [--name NAME] [--here]

Builds dist/nodelet and the stack, starts a lab host (a container with systemd and a Docker engine of its own), runs
nodelet init on it, and shows the live cluster. The second run takes what it can from the cache.

  --name NAME   name of the lab host (default: quickstart)
  --here        make this machine the node: it must run systemd and Docker
`;

/** Starts a lab host with the program and the stack, and makes it a node. */
async function onLabHost(name: string, progress: Progress): Promise<void> {
  await progress.step("lab engine and the image of lab hosts", async () => {
    const cache = Cache.standard();
    await ensureEngine(cache);
    await ensureImage(cache);
  });
  const host = await progress.step(`lab host "${name}"`, async () => {
    const started = await startHost({ name, shares: [{ source: stack, target: "/srv/stack" }] });
    await started.copyIn(join(top, "dist/nodelet"), "/usr/local/bin/nodelet");
    return started;
  });
  await progress.step("nodelet init", () => init(host));
  const { stdout, stderr, exitCode } = await host.exec([...KUBECTL, ...LOOK]);
  if (exitCode !== 0) throw new Error(`Cannot look at the cluster: ${stderr}`);
  process.stdout.write(`\n${stdout}\n`);
  const enter = `DOCKER_HOST=unix://${SOCKET} ${DOCKER} exec -it ${name}`;
  process.stdout.write(`The cluster runs on the lab host "${name}" (${host.ip}).
Reach it:   ${enter} ${[...KUBECTL, "get", "nodes"].join(" ")}
            ${enter} nodelet kubeconfig    # for a kubectl of your own, at https://${host.ip}:6443
Look at it: ${enter} nodelet status
            ${enter} bash
Undo it:    ${enter} nodelet reset
Remove it:  node_modules/.bin/bun scripts/lab.ts rm ${name}
`);
}

async function init(host: LabHost): Promise<void> {
  const running = await host.spawn(["nodelet", "init", "--bundle", "/srv/stack"]);
  for await (const { text } of running.lines) say(`  ${text}`);
  const code = await running.exited;
  if (code !== 0) throw new Error(`nodelet init ended with exit code ${code}; its words are above`);
}

/** Makes this machine the node. */
async function onThisMachine(progress: Progress): Promise<void> {
  if (!existsSync("/run/systemd/system")) {
    throw new Error("Cannot use this machine: it does not run systemd; leave --here out for a lab host");
  }
  await progress.step("install /usr/local/bin/nodelet", () =>
    copyFile(join(top, "dist/nodelet"), "/usr/local/bin/nodelet"),
  );
  await progress.step("nodelet init", async () => {
    const code = await Bun.spawn(["/usr/local/bin/nodelet", "init", "--bundle", stack], {
      stdio: ["ignore", "inherit", "inherit"],
    }).exited;
    if (code !== 0) throw new Error(`nodelet init ended with exit code ${code}; its words are above`);
  });
  process.stdout.write(await $`${KUBECTL} ${LOOK}`.text());
  process.stdout.write("Look at it: nodelet status\nUndo it:    nodelet reset\n");
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
  requireRoot("set up a cluster");
  if (!values.here) await refuseTaken(values.name);
  const started = performance.now();
  const progress = new Progress(values.here ? 4 : 5);
  await progress.step("dist/nodelet", async (note) =>
    note(`${((await buildProgram()).bytes / 1e6).toFixed(1)} MB`),
  );
  await progress.step("the stack: Kubernetes and its images", () =>
    assembleStack({ out: stack, cache: Cache.standard() }),
  );
  await (values.here ? onThisMachine(progress) : onLabHost(values.name, progress));
  say(`done after ${elapsed(started)}`);
});

/** A host of that name may hold a cluster that somebody uses. */
async function refuseTaken(name: string): Promise<void> {
  if (!existsSync(SOCKET)) return;
  if (!(await listHosts()).some((host) => host.name === name)) return;
  throw new Error(
    `Cannot start the lab host "${name}": it is there already; remove it with "node_modules/.bin/bun scripts/lab.ts rm ${name}" or give another --name`,
  );
}
