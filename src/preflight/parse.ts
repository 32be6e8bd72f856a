import { formatCidr, parseCidr } from "../config/net.ts";

/** The block that an address with a prefix is in: `10.88.0.11/24` → `10.88.0.0/24`. */
export function networkOf(cidr: string): string {
  const block = parseCidr(cidr);
  return block ? formatCidr(block) : cidr;
}

/** Devices and files of `/proc/swaps`. */
export function parseSwaps(text: string): string[] {
  const rows = text.trim().split("\n").slice(1);
  return rows.map((row) => row.split(/\s/)[0] ?? "").filter((name) => name !== "");
}

/** Bytes of memory of `/proc/meminfo`, or undefined. */
export function parseMemory(text: string): number | undefined {
  const kilobytes = /^MemTotal:\s+(\d+) kB$/m.exec(text)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Controllers that the kernel has turned on, by `cgroup.controllers` (version 2) or else `/proc/cgroups`. */
export function parseControllers(files: { v2: string | undefined; v1: string | undefined }): string[] {
  if (files.v2 !== undefined) return files.v2.trim().split(/\s+/);
  const rows = (files.v1 ?? "")
    .trim()
    .split("\n")
    .slice(1)
    .map((row) => row.split("\t"));
  return rows.flatMap(([name, , , enabled]) => (name && enabled === "1" ? [name] : []));
}

/** Names of the modules in `modules.dep` and `modules.builtin`, with `_` for `-`. */
export function parseModules(text: string): Set<string> {
  const names = text.matchAll(/^\S*?([^/\s]+)\.ko(?:\.(?:gz|xz|zst))?(?=:|$)/gm);
  return new Set([...names].map((match) => (match[1] ?? "").replaceAll("-", "_")));
}

/** A mounted file system. */
export interface Mount {
  point: string;
  type: string;
  options: readonly string[];
}

/** The mounts of `/proc/mounts`, a later one over an earlier one of the same place. */
export function parseMounts(text: string): Mount[] {
  const rows = text
    .trim()
    .split("\n")
    .map((row) => row.split(" "));
  return rows
    .map(([, point = "", type = "", options = ""]) => ({
      point: unescape(point),
      type,
      options: options.split(","),
    }))
    .reverse();
}

/** The kernel writes blanks and the like as `\040`. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/** The mount that a path is in. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const holding = mounts.filter(
    ({ point }) => point === "/" || path === point || path.startsWith(`${point}/`),
  );
  return holding.reduce<Mount | undefined>(
    (best, one) => (one.point.length > (best?.point.length ?? 0) ? one : best),
    undefined,
  );
}
