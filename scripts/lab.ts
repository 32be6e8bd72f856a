import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { SOCKET } from "./lab/constants.ts";
import { ensureEngine, stopEngine } from "./lab/engine.ts";
import { attachHost, listHosts, removeAll, shell, startHost } from "./lab/host.ts";
import { elapsed, requireRoot, runScript, say } from "./lib/progress.ts";

const USAGE = `Usage: bun scripts/lab.ts COMMAND

Hosts to try nodelet on: containers with systemd and a Docker engine of their own, or bare: without anything that
containers need, without default route and without name server.
  up NAME [--bare] [--ip ADDRESS] [--stack DIR]  start a host (DIR is seen in it as /srv/stack)
  shell NAME                                     a shell in a host
  list                                           all hosts
  rm NAME | rm --all                             remove a host, or everything but engine and images
  stop                                           stop the lab's engine and all hosts; their data stays

The engine is the lab's own; reach it with
  DOCKER_HOST=unix://${SOCKET} docker ps`;

async function up(name: string, options: { ip?: string; stack?: string; bare?: boolean }): Promise<void> {
  const { stack, ...rest } = options;
  const started = performance.now();
  const shares = stack === undefined ? [] : [{ source: resolve(stack), target: "/srv/stack" }];
  const host = await startHost({ name, shares, ...rest });
  say(`lab host ${host.name} is up at ${host.ip}, ${elapsed(started)}`);
  say(`  look at it:  bun scripts/lab.ts shell ${host.name}`);
  say(`  remove it:   bun scripts/lab.ts rm ${host.name}`);
}

await runScript(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ip: { type: "string" },
      stack: { type: "string" },
      bare: { type: "boolean" },
      all: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [command, name] = positionals;
  if (values.help === true || command === undefined) return console.log(USAGE);
  requireRoot("use the lab");
  if (command === "stop") return stopEngine();
  await ensureEngine();
  if (command === "list") {
    for (const host of await listHosts()) console.log([host.name, host.ip, host.status].join("\t"));
  } else if (command === "rm" && values.all === true) await removeAll();
  else if (name === undefined)
    throw new Error(`Cannot do "${command}": no host named; expected NAME\n${USAGE}`);
  else if (command === "up") await up(name, values);
  else if (command === "shell") process.exitCode = await shell(name);
  else if (command === "rm") await (await attachHost(name)).remove();
  else throw new Error(`Cannot do "${command}": no such command\n${USAGE}`);
});
