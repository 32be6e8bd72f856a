import { Cache } from "../lib/cache.ts";
import { run } from "../lib/run.ts";
import { waitFor } from "../lib/wait.ts";
import { BARE_NETWORK, DOCKER, EMPTY_RESOLV_CONF, LABEL, NETWORK, RESOLV_CONF } from "./constants.ts";
import { copyInto, copyOutOf } from "./copy.ts";
import { docker, dockerEnv, ensureEngine } from "./engine.ts";
import { ensureImage } from "./image.ts";
import {
  execIn,
  spawnIn,
  type ExecOptions,
  type ExecResult,
  type Running,
  type SpawnOptions,
} from "./exec.ts";

/** A directory of this machine shown to a lab host, read only. */
export interface Share {
  /** Absolute path on this machine. */
  source: string;
  /** Absolute path in the lab host. */
  target: string;
}

/** How a lab host is made. */
export interface HostOptions {
  /** Name of the container and of the host itself. */
  name: string;
  /**
   * A fixed address in 10.88.0.0/24, of a bare host in 10.89.0.0/24; the engine picks one when left out, and perhaps another
   * after a restart.
   */
  ip?: string;
  /** Without Docker and all that comes with it, and without default route and name server. */
  bare?: boolean;
  /** Another image than the standard one. */
  image?: string;
  /** Directories of this machine that the host sees, for example a stack at /srv/stack. */
  shares?: Share[];
}

/** A running machine of the lab. */
export interface LabHost {
  name: string;
  ip: string;
  /** Runs a program in the host to its end; an exit code other than 0 is a result, not an error. */
  exec(argv: string[], options?: ExecOptions): Promise<ExecResult>;
  /** Starts a program in the host and gives its lines as they come. */
  spawn(argv: string[], options?: SpawnOptions): Promise<Running>;
  /** Copies a file of this machine to a path in the host, or the contents of a directory into one. */
  copyIn(source: string, target: string): Promise<void>;
  /** Copies a file or directory of the host into an existing directory of this machine. */
  copyOut(source: string, directory: string): Promise<void>;
  /** Pulls the plug: nothing in the host gets a chance to finish. */
  kill(): Promise<void>;
  /** Switches the host on again, with the disks as they were, and waits for it. */
  start(): Promise<void>;
  /** Pulls the network cable. */
  disconnect(): Promise<void>;
  /** Puts the network cable back, at the same address. */
  connect(): Promise<void>;
  /** Removes the host and its disks. */
  remove(): Promise<void>;
}

/** State that must be on a real disk and outlive a power cut; overlay file systems cannot be stacked in an overlay. */
const VOLUMES = ["/var/lib/kubelet", "/var/opt/pf9"];

const READY_DEADLINE_MS = 120_000;

/**
 * Makes a lab host and waits until systemd, and the Docker engine if it has one, are up. The engine and the image are made first
 * when they are missing.
 *
 * @throws When a host of that name exists, or when the new one is not ready in time (it is removed then; the message has the
 *   end of its journal).
 */
export async function startHost(options: HostOptions): Promise<LabHost> {
  const cache = Cache.standard();
  await ensureEngine(cache);
  const image = options.image ?? (await ensureImage(cache, options.bare ? "bare" : "docker"));
  const network = options.bare ? BARE_NETWORK : NETWORK;
  const volumes = options.bare ? VOLUMES : ["/var/lib/docker", ...VOLUMES];
  const resolver = options.bare ? EMPTY_RESOLV_CONF : RESOLV_CONF;
  const shares = [{ source: resolver.path, target: "/etc/resolv.conf" }, ...(options.shares ?? [])];
  await docker([
    ...["create", "--privileged", "--cgroupns=private", "--stop-signal", "SIGRTMIN+3", "--label", LABEL],
    ...["--name", options.name, "--hostname", options.name, "--network", network.name],
    ...(options.ip === undefined ? [] : ["--ip", options.ip]),
    ...["--tmpfs", "/run:exec,mode=755", "--tmpfs", "/tmp:exec,mode=1777"],
    ...volumes.flatMap((path) => ["--mount", `type=volume,dst=${path},volume-label=${LABEL}`]),
    ...shares.flatMap(({ source, target }) => ["--mount", `type=bind,src=${source},dst=${target},readonly`]),
    image,
  ]);
  try {
    const host = await attachHost(options.name);
    await host.start();
    return await attachHost(options.name);
  } catch (error) {
    const script =
      "systemctl list-jobs --no-pager; systemctl --failed --no-pager; journalctl -n 20 --no-pager";
    const seen = await execIn(options.name, ["sh", "-c", script], { timeoutMs: 10_000 }).catch(
      () => undefined,
    );
    await docker(["rm", "--force", "--volumes", options.name]);
    throw new Error(`${(error as Error).message}\n${seen?.stdout ?? ""}`.trimEnd(), { cause: error });
  }
}

/**
 * A host that runs already.
 *
 * @throws When there is none of that name in the lab.
 */
export async function attachHost(name: string): Promise<LabHost> {
  // While the cable is pulled there is no address, but the mode still has the network that the host was made in.
  const format =
    '{{$network := printf "%s" .HostConfig.NetworkMode}}{{$network}} {{with index .NetworkSettings.Networks $network}}{{.IPAddress}}{{end}}';
  const { stdout } = await docker(["inspect", "--type", "container", "--format", format, name]);
  const [network = "", ip = ""] = stdout.trim().split(" ");
  const host: LabHost = {
    name,
    ip,
    exec: (argv, options) => execIn(name, argv, options),
    spawn: (argv, options) => spawnIn(name, argv, options),
    copyIn: (source, target) => copyInto(name, source, target),
    copyOut: (source, directory) => copyOutOf(name, source, directory),
    kill: async () => void (await docker(["kill", name])),
    start: async () => {
      await docker(["start", name]);
      await dropRoute(name, network);
      await waitReady(host, network);
    },
    disconnect: async () => void (await docker(["network", "disconnect", network, name])),
    connect: async () => {
      await docker(["network", "connect", "--ip", ip, network, name]);
      await dropRoute(name, network);
    },
    remove: async () => void (await docker(["rm", "--force", "--volumes", name])),
  };
  return host;
}

/** The engine gives a default route even in a network without a way out; a bare host, which has no tool for it, loses it. */
async function dropRoute(name: string, network: string): Promise<void> {
  if (network === BARE_NETWORK.name) await inNetworkOf(name, ["ip", "route", "flush", "exact", "0.0.0.0/0"]);
}

/**
 * Runs a program of this machine on the network of a lab host, which may have no such program.
 *
 * @param name The host.
 * @returns What it wrote to standard output.
 * @throws As `run` does.
 */
export async function inNetworkOf(name: string, argv: string[]): Promise<string> {
  const { stdout } = await docker(["inspect", "--format", "{{.State.Pid}}", name]);
  return (await run(["nsenter", "--target", stdout.trim(), "--net", ...argv])).stdout;
}

/**
 * Runs a program of this machine on the network of a process inside of a lab host, for example that of a pod.
 *
 * @param inside The host, and the process by its number there.
 * @returns What it wrote to standard output.
 * @throws As `run` does.
 */
export async function inNetworkInside(
  inside: { host: string; pid: number },
  argv: string[],
): Promise<string> {
  const { stdout } = await docker(["inspect", "--format", "{{.State.Pid}}", inside.host]);
  const net = `/proc/${stdout.trim()}/root/proc/${inside.pid}/ns/net`;
  return (await run(["nsenter", `--net=${net}`, ...argv])).stdout;
}

/** systemd says itself when all its jobs are done; before its bus is up the question fails and is asked again. */
async function waitReady(host: LabHost, network: string): Promise<void> {
  const bare = network === BARE_NETWORK.name;
  const engine = bare ? "echo bare" : "docker info --format '{{.Driver}}'";
  const script = `systemctl is-system-running --wait; ${engine}`;
  const what = `lab host ${host.name} with systemd${bare ? "" : " and Docker"} up`;
  await waitFor(
    async () => {
      const { stdout, stderr } = await host.exec(["sh", "-c", script], { timeoutMs: 60_000 });
      if (/^(running|degraded)\n\w+/.test(stdout)) return true;
      throw new Error(`it says "${stdout.trim()} ${stderr.trim()}"`);
    },
    { what, deadlineMs: READY_DEADLINE_MS, everyMs: 50 },
  );
}

/** The names and states of all lab hosts. */
export async function listHosts(): Promise<{ name: string; status: string; ip: string }[]> {
  const { stdout } = await docker([
    "ps",
    "--all",
    "--filter",
    `label=${LABEL}`,
    "--format",
    "{{.Names}}\t{{.Status}}",
  ]);
  const rows = stdout.split("\n").filter((line) => line !== "");
  return Promise.all(
    rows.map(async (row) => {
      const [name = "", status = ""] = row.split("\t");
      return { name, status, ip: (await attachHost(name)).ip };
    }),
  );
}

/** Removes every host, volume and network of the lab; images and the engine stay. */
export async function removeAll(): Promise<void> {
  const ids = async (argv: string[]) =>
    (await docker([...argv, "--quiet", "--filter", `label=${LABEL}`])).stdout.split("\n").filter(Boolean);
  const containers = await ids(["ps", "--all"]);
  if (containers.length > 0) await docker(["rm", "--force", "--volumes", ...containers]);
  const volumes = await ids(["volume", "ls"]);
  if (volumes.length > 0) await docker(["volume", "rm", "--force", ...volumes]);
  const networks = await ids(["network", "ls"]);
  if (networks.length > 0) await docker(["network", "rm", ...networks]);
}

/** Opens a shell in a host on the caller's terminal, and gives its exit code. */
export async function shell(name: string): Promise<number> {
  const tty = process.stdin.isTTY ? ["--interactive", "--tty"] : ["--interactive"];
  const env = { ...dockerEnv(), TERM: process.env["TERM"] ?? "dumb" };
  const child = Bun.spawn([DOCKER, "exec", ...tty, "-e", `TERM=${env.TERM}`, name, "bash", "-l"], {
    stdio: ["inherit", "inherit", "inherit"],
    env,
  });
  return child.exited;
}
