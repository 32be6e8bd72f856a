import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { codeOf } from "../../errors.ts";
import { sha256 } from "../hash.ts";
import { placeOf } from "../machine.ts";
import type { Area, FootprintProbe, FootprintScope } from "./footprint.ts";

/** A place where something could be left: all below it, the names in it, or only itself. */
export interface Place {
  path: string;
  depth: "tree" | "names" | "self";
}

/**
 * Where nodelet, or what it starts, writes. Not among them: /run/xtables.lock, which iptables makes at its first use and
 * nobody removes; Docker's and containerd's data, of which the engine itself is asked.
 */
export const PLACES: readonly Place[] = [
  ...[
    "/etc/pf9",
    "/etc/cni",
    "/etc/docker",
    "/etc/systemd/system",
    "/etc/sysctl.d",
    "/etc/modules-load.d",
    "/etc/tmpfiles.d",
    "/opt/pf9",
    "/opt/cni",
    "/var/opt/pf9",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/lib/dockershim",
    "/var/log/pf9",
    "/var/log/pods",
    "/var/log/containers",
    "/usr/libexec/kubernetes",
    "/run/nodelet",
    "/run/dockershim.sock",
  ].map((path): Place => ({ path, depth: "tree" })),
  ...["/var/lib/docker", "/var/lib/containerd", "/var/lib/etcd"].map((path): Place => ({
    path,
    depth: "names",
  })),
  ...["/opt", "/opt/containerd", "/var/opt", "/usr/libexec"].map((path): Place => ({ path, depth: "self" })),
];

/** Trees with more than this are somebody's data: only that they are there is noted. */
const MAX_ENTRIES = 2000;
/** Larger files are known by their size: programs, which are put back by renaming and never written in place. */
const MAX_DIGEST_BYTES = 64 * 1024;

/** Files, directories and links: type, mode, owner, and what is in them. Times are noise: reading changes some of them. */
export const filesArea: Area = {
  name: "files",
  filesOnly: true,
  async look(probe, scope) {
    const facts: Record<string, string> = {};
    for (const place of scope.places) Object.assign(facts, lookAtPlace(probe, { place, scope }));
    for (const path of scope.passing) delete facts[path];
    return facts;
  },
};

function lookAtPlace(
  probe: FootprintProbe,
  { place, scope }: { place: Place; scope: FootprintScope },
): Record<string, string> {
  const facts: Record<string, string> = {};
  let count = 0;
  const walk = (path: string, deep: boolean) => {
    if (scope.hidden.includes(path) || count > MAX_ENTRIES) return;
    const found = existing(() => lstatSync(placeOf(probe.machine, path)));
    if (!found) return;
    count += 1;
    facts[path] = place.depth === "tree" ? stateOf(placeOf(probe.machine, path), found) : kindAndOwner(found);
    if (!deep || !found.isDirectory()) return;
    const names = existing(() => readdirSync(placeOf(probe.machine, path))) ?? [];
    for (const name of names.sort()) walk(`${path}/${name}`, place.depth === "tree");
  };
  walk(place.path, place.depth !== "self");
  return count > MAX_ENTRIES ? { [place.path]: `directory with more than ${MAX_ENTRIES} entries` } : facts;
}

function stateOf(place: string, found: Stats): string {
  if (found.isSymbolicLink()) return `link to ${existing(() => readlinkSync(place)) ?? "nothing"}`;
  if (!found.isFile()) return kindAndOwner(found);
  const content = found.size <= MAX_DIGEST_BYTES ? existing(() => readFileSync(place)) : undefined;
  const digest = content ? `, sha256 ${sha256(content).slice(0, 12)}` : "";
  return `${kindAndOwner(found)}, ${found.size} B${digest}`;
}

function kindAndOwner(found: Stats): string {
  if (found.isSymbolicLink()) return "link";
  const kind = found.isDirectory() ? "directory" : found.isFile() ? "file" : "special file";
  return `${kind} ${(found.mode & 0o7777).toString(8).padStart(4, "0")} ${found.uid}:${found.gid}`;
}

/** What ends while it is looked at was not there. */
function existing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}
