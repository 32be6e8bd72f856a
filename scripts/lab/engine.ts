import { closeSync, existsSync, openSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensurePackages } from "../lib/apt.ts";
import { Cache } from "../lib/cache.ts";
import { withLock } from "../lib/lock.ts";
import { elapsed, say } from "../lib/progress.ts";
import { run, tail, type RunOptions, type RunResult } from "../lib/run.ts";
import { waitFor } from "../lib/wait.ts";
import {
  BARE_NETWORK,
  DATA_DIR,
  DOCKER,
  EMPTY_RESOLV_CONF,
  LABEL,
  type Network,
  NETWORK,
  RESOLV_CONF,
  RUN_DIR,
  SOCKET,
} from "./constants.ts";
import { buildWrapper, lacksSysResource, wrapperSettings } from "./limits.ts";

const PACKAGES = ["docker.io", "iproute2", "iptables", "procps"];
const PID_FILE = join(RUN_DIR, "docker.pid");
const LOG_FILE = join(RUN_DIR, "dockerd.log");
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 60_000;
/** Another run may be installing packages and building while this one waits. */
const TURN_DEADLINE_MS = 10 * 60_000;

/**
 * Runs the Docker client against the lab's engine.
 *
 * @param args The client's arguments.
 * @throws As `run` does.
 */
export async function docker(args: string[], options: RunOptions = {}): Promise<RunResult> {
  return run([DOCKER, ...args], { ...options, env: dockerEnv() });
}

/** The environment in which the Docker client talks to the lab's engine. */
export function dockerEnv(): Record<string, string> {
  return { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", DOCKER_HOST: `unix://${SOCKET}` };
}

/** The process id of the lab's engine, when it runs. */
async function enginePid(): Promise<number | undefined> {
  const pid = Number(await readFile(PID_FILE, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  // After a reboot the number may belong to anything: the command line tells whose it is.
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.includes(join(RUN_DIR, "daemon.json")) ? pid : undefined;
}

/**
 * Makes sure the lab's own Docker engine runs, and that it has the lab's networks. An engine the machine already has is
 * not touched: socket, data, containers and the bridge of this one are its own.
 *
 * @throws When it cannot be installed or does not answer in time; the message has the end of its log.
 */
export async function ensureEngine(cache: Cache = Cache.standard()): Promise<void> {
  await mkdir(RUN_DIR, { recursive: true, mode: 0o700 });
  await withLock(join(RUN_DIR, "lock"), TURN_DEADLINE_MS, async () => {
    if (!(await answers())) await startEngine(cache);
    for (const { path, text } of [RESOLV_CONF, EMPTY_RESOLV_CONF]) await writeFile(path, text);
    await switchLikeBridges();
    for (const network of [NETWORK, BARE_NETWORK]) await ensureNetwork(network);
  });
}

async function answers(): Promise<boolean> {
  if (!existsSync(SOCKET) || (await enginePid()) === undefined) return false;
  const { exitCode } = await docker(["version", "--format", "{{.Server.Version}}"], {
    accept: [0, 1],
    timeoutMs: 10_000,
  });
  return exitCode === 0;
}

async function startEngine(cache: Cache): Promise<void> {
  const started = performance.now();
  await ensurePackages(PACKAGES);
  await mkdir(DATA_DIR, { recursive: true, mode: 0o711 });
  const settings: Record<string, unknown> = {
    hosts: [`unix://${SOCKET}`],
    "data-root": join(DATA_DIR, "docker"),
    "exec-root": join(RUN_DIR, "exec"),
    pidfile: PID_FILE,
    // A containerd of the machine may be used, but never its containers: they are in another namespace.
    "containerd-namespace": "nodelet-lab",
    "containerd-plugins-namespace": "nodelet-lab-plugins",
    "cgroup-parent": "/nodelet-lab",
    bridge: "none",
    "storage-driver": "overlay2",
    "log-driver": "json-file",
    "log-opts": { "max-size": "10m", "max-file": "2" },
    ...((await lacksSysResource()) ? wrapperSettings(await installWrapper(cache)) : {}),
  };
  const config = join(RUN_DIR, "daemon.json");
  await writeFile(config, `${JSON.stringify(settings, null, 2)}\n`);
  if ((await enginePid()) === undefined) await rm(PID_FILE, { force: true });
  const log = openSync(LOG_FILE, "a", 0o600);
  // A session of its own: Ctrl-C in the terminal that started the lab must not end the engine of all its hosts.
  const child = Bun.spawn(["setsid", "dockerd", "--config-file", config], {
    stdin: "ignore",
    stdout: log,
    stderr: log,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" },
  });
  closeSync(log);
  child.unref();
  await waitFor(
    async () => {
      if (child.exitCode !== null) return "ended";
      return (await answers()) ? "answers" : undefined;
    },
    { what: "the lab's Docker engine", deadlineMs: START_DEADLINE_MS },
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${tail(await readFile(LOG_FILE, "utf8"))}`);
  });
  if (!(await answers())) {
    throw new Error(
      `Cannot start the lab's Docker engine: dockerd ended; expected it to answer on ${SOCKET}\n${tail(await readFile(LOG_FILE, "utf8"))}`,
    );
  }
  say(`lab engine started, ${elapsed(started)} (log: ${LOG_FILE})`);
}

/** The wrapper goes next to the engine's data: the cache may be cleaned while the engine runs. */
async function installWrapper(cache: Cache): Promise<string> {
  const target = join(DATA_DIR, "runc-lab");
  await copyFile(await buildWrapper(cache), `${target}.new`);
  await rename(`${target}.new`, target);
  return target;
}

/**
 * A switch does not look into the packets of its hosts. The bridges would: they would drop what pods of one host send to
 * those of another, since Docker lets nobody in or out of a network without a way out under a foreign address.
 */
async function switchLikeBridges(): Promise<void> {
  for (const name of ["iptables", "ip6tables"]) {
    const setting = `/proc/sys/net/bridge/bridge-nf-call-${name}`;
    if (existsSync(setting)) await writeFile(setting, "0");
  }
}

async function ensureNetwork({ name, bridge, subnet, gateway, internal }: Network): Promise<void> {
  const found = await docker(["network", "ls", "-q", "--filter", `name=^${name}$`]);
  if (found.stdout.trim() !== "") return;
  const addresses = ["--subnet", subnet, "--gateway", gateway];
  const options = ["-o", `com.docker.network.bridge.name=${bridge}`, ...(internal ? ["--internal"] : [])];
  await docker(["network", "create", "--driver", "bridge", "--label", LABEL, ...addresses, ...options, name]);
}

/**
 * Stops the lab's engine, and with it all lab hosts; their data stays. Does nothing when it does not run.
 *
 * @throws When it does not end in time.
 */
export async function stopEngine(): Promise<void> {
  const pid = await enginePid();
  if (pid === undefined) return;
  process.kill(pid, "SIGTERM");
  await waitFor(async () => ((await enginePid()) === undefined ? true : undefined), {
    what: `the end of process ${pid} (dockerd of the lab)`,
    deadlineMs: STOP_DEADLINE_MS,
  });
}
