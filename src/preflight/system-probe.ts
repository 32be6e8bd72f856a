import { constants } from "node:fs";
import { access, readdir, readFile, realpath, stat, statfs } from "node:fs/promises";
import { availableParallelism, machine, networkInterfaces, release } from "node:os";
import { basename, dirname, join } from "node:path";
import { DOCKER_SOCKET } from "../docker/api.ts";
import { isAnswered } from "../host/answered.ts";
import type { Host } from "../host/host.ts";
import { lookAtEngine } from "../docker/look.ts";
import { BASE_ENV } from "../host/run.ts";
import { findListeners } from "./listeners.ts";
import type { HostProbe, ProbedAddress, ProbedUnit, Space } from "./probe.ts";
import { measureSyncedWrites } from "./synced-writes.ts";

const PROGRAM_DEADLINE_MS = 10_000;

/** The running host. It reads what the kernel offers as files; the programs that it starts are systemctl, iptables and nft. */
export function systemProbe(host: Host): HostProbe {
  const place = (path: string) => host.place(path);
  return {
    uid: () => process.geteuid?.() ?? -1,
    os: () => process.platform,
    now: () => Date.now(),
    cpus: () => availableParallelism(),
    kernelRelease: () => release(),
    machine: () => machine(),
    addresses: readAddresses,
    hasProgram: (name) => Bun.which(name, { PATH: BASE_ENV.PATH }) !== null,
    readText: (path) => readFile(place(path), "utf8").catch(() => undefined),
    list: (path) =>
      readdir(place(path)).then(
        (names) => names.sort(),
        () => [],
      ),
    pathExists: (path) => allowed(place(path), constants.F_OK),
    fileSize: (path) =>
      stat(place(path)).then(
        (found) => found.size,
        () => undefined,
      ),
    space: (path) => readSpace(place(path)),
    realPath: (path) => realPath(place(path)),
    writable: async (path) => await allowed(await nearest(place(path)), constants.W_OK),
    syncedWrites: async (path) =>
      await measureSyncedWrites(await nearest(place(path))).catch(() => undefined),
    answers: isAnswered,
    listeners: async (ports) => findListeners(ports, { proc: "/proc" }),
    units: (names) => showUnits(host, names),
    activeUnits: () => listActiveUnits(host),
    firewallRules: () => readFirewallRules(host),
    nftRules: () => readNftRules(host),
    engine: () => lookAtEngine(DOCKER_SOCKET),
  };
}

function readAddresses(): ProbedAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).flatMap(({ address, cidr, internal }) =>
      cidr ? [{ interface: name, address, cidr, internal }] : [],
    ),
  );
}

function allowed(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** Goes up from a path that does not exist yet to the directory that it will be made in. */
async function nearest(path: string): Promise<string> {
  if (path === dirname(path) || (await allowed(path, constants.F_OK))) return path;
  return await nearest(dirname(path));
}

async function realPath(path: string): Promise<string> {
  const found = await realpath(path).catch(() => undefined);
  if (found !== undefined || path === dirname(path)) return found ?? path;
  return join(await realPath(dirname(path)), basename(path));
}

async function readSpace(path: string): Promise<Space | undefined> {
  try {
    const there = await nearest(path);
    const [{ dev }, { bavail, blocks, bsize }] = await Promise.all([stat(there), statfs(there)]);
    return { device: dev, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

async function showUnits(host: Host, names: readonly string[]): Promise<ProbedUnit[] | undefined> {
  const properties = "--property=Id,LoadState,ActiveState,MainPID,ExecStart";
  const text = await askSystemd(host, ["show", properties, ...names]);
  return text === undefined ? undefined : parseUnits(text, names);
}

async function listActiveUnits(host: Host): Promise<string[] | undefined> {
  const text = await askSystemd(host, ["list-units", "--state=active,activating", "--plain", "--no-legend"]);
  return text?.split("\n").flatMap((line) => line.trim().split(/\s+/)[0] || []);
}

/** Where systemd does not run, systemctl would only take its time to say so. */
async function askSystemd(host: Host, words: readonly string[]): Promise<string | undefined> {
  if (!(await allowed(host.place("/run/systemd/system"), constants.F_OK))) return undefined;
  return await output(host, ["systemctl", ...words]);
}

async function output(host: Host, argv: readonly string[]): Promise<string | undefined> {
  const result = await host
    .run(argv, { check: false, timeoutMs: PROGRAM_DEADLINE_MS })
    .catch(() => undefined);
  return result?.exitCode === 0 ? result.stdout : undefined;
}

async function readFirewallRules(host: Host): Promise<string | undefined> {
  const program = Bun.which("iptables", { PATH: BASE_ENV.PATH });
  if (program === null) return undefined;
  const legacy = (await realPath(program)).includes("legacy");
  const used = legacy ? await hasLegacyRules(host) : await hasNfTables(host);
  return used ? await output(host, ["iptables", "-S"]) : "";
}

async function readNftRules(host: Host): Promise<string | undefined> {
  if (Bun.which("nft", { PATH: BASE_ENV.PATH }) === null) return undefined;
  return (await hasNfTables(host)) ? await output(host, ["nft", "-j", "list", "ruleset"]) : "";
}

/** The older iptables would load its table by looking at it. */
async function hasLegacyRules(host: Host): Promise<boolean> {
  const names = await readFile(host.place("/proc/net/ip_tables_names"), "utf8").catch(() => "");
  return names.split("\n").includes("filter");
}

/** A kernel without a list of what is built in does not tell; then nothing can be loaded there either. */
async function hasNfTables(host: Host): Promise<boolean> {
  if (await allowed(host.place("/sys/module/nf_tables"), constants.F_OK)) return true;
  const list = host.place(`/lib/modules/${release()}/modules.builtin`);
  return (await readFile(list, "utf8").catch(() => "/nf_tables.ko")).includes("/nf_tables.ko");
}

/**
 * Reads the answer of `systemctl show`: a block of lines per unit, in the order of the question. A unit that is an
 * alias answers with the name of the real one, so names are taken from the question.
 */
export function parseUnits(text: string, names: readonly string[]): ProbedUnit[] {
  const blocks = text.trim().split(/\n{2,}/);
  return names.map((name, at) => {
    const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(blocks[at] ?? "")?.[1] ?? "";
    const state = value("ActiveState");
    return {
      name,
      load: value("LoadState"),
      active: state === "active" || state === "activating" || state === "reloading",
      mainPid: Number(value("MainPID")),
      command: /argv\[\]=(.*?) ;/.exec(value("ExecStart"))?.[1] ?? "",
    };
  });
}
