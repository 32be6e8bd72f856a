import { constants } from "node:fs";
import { access, readdir, readFile, stat, statfs } from "node:fs/promises";
import { availableParallelism, networkInterfaces, release } from "node:os";
import { dirname } from "node:path";
import { DOCKER_SOCKET } from "../docker/api.ts";
import type { Host } from "../host/host.ts";
import { lookAtEngine } from "../docker/look.ts";
import { findListeners } from "./listeners.ts";
import type { HostProbe, ProbedAddress, ProbedUnit, Space } from "./probe.ts";

/** Where the programs are that nodelet and the kubelet start. */
const SEARCH_PATH = "/opt/pf9/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The running host. It reads what the kernel offers as files; the one program that it starts is systemctl. */
export function systemProbe(host: Host): HostProbe {
  const place = (path: string) => host.place(path);
  return {
    uid: () => process.geteuid?.() ?? -1,
    os: () => process.platform,
    now: () => Date.now(),
    cpus: () => availableParallelism(),
    kernelRelease: () => release(),
    addresses: readAddresses,
    hasProgram: (name) => Bun.which(name, { PATH: SEARCH_PATH }) !== null,
    readText: (path) => readFile(place(path), "utf8").catch(() => undefined),
    list: (path) =>
      readdir(place(path)).then(
        (names) => names.sort(),
        () => [],
      ),
    pathExists: (path) =>
      access(place(path), constants.F_OK).then(
        () => true,
        () => false,
      ),
    fileSize: (path) =>
      stat(place(path)).then(
        (found) => found.size,
        () => undefined,
      ),
    space: (path) => readSpace(place(path)),
    listeners: async (ports) => findListeners(ports, { proc: "/proc" }),
    units: (names) => showUnits(host, names),
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

/** Goes up from a path that does not exist yet to the directory that it will be made in. */
async function readSpace(path: string): Promise<Space | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return path === dirname(path) ? undefined : await readSpace(dirname(path));
  const { bavail, bsize } = await statfs(path);
  return { device: found.dev, freeBytes: bavail * bsize };
}

async function showUnits(host: Host, names: readonly string[]): Promise<ProbedUnit[] | undefined> {
  // Where systemd does not run, systemctl would only take its time to say so.
  if (
    !(await access(host.place("/run/systemd/system")).then(
      () => true,
      () => false,
    ))
  )
    return undefined;
  const properties = "--property=Id,LoadState,ActiveState,MainPID,ExecStart";
  const argv = ["systemctl", "show", properties, ...names];
  const result = await host.run(argv, { check: false, timeoutMs: 10_000 }).catch(() => undefined);
  if (result?.exitCode !== 0) return undefined;
  return parseUnits(result.stdout, names);
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
