import { paths } from "../../paths.ts";
import type { Check, CheckInput, Problem } from "../check.ts";
import { mountOf, sizeText } from "../parse.ts";

/** What an empty etcd comes to in its first days: snapshots, the log, and room to compact. */
const ETCD_BYTES = 512 * 2 ** 20;

/** Archives take more room unpacked. */
const MARGIN = 1.2;

/** Room that one part of the node needs. */
interface Need {
  path: string;
  what: string;
  bytes: number;
}

/** Needs in one file system are added up. */
export const spaceLow: Check = {
  code: "SpaceLow",
  level: "error",
  title: "there is room for images, programs and etcd's data",
  run(input) {
    const groups = Map.groupBy(needsOf(input), ({ path }) => input.facts.space.get(path)?.device);
    return [...groups].flatMap(([device, needs]) => (device === undefined ? [] : spaceProblem(needs, input)));
  },
};

function spaceProblem(needs: readonly Need[], { facts }: CheckInput): Problem[] {
  const free = facts.space.get(needs[0]?.path ?? "")?.freeBytes ?? 0;
  const needed = needs.reduce((sum, { bytes }) => sum + bytes, 0);
  if (free >= needed) return [];
  const parts = needs.map(({ what, path, bytes }) => `${sizeText(bytes)} for ${what} in ${path}`).join(", ");
  return [
    {
      message: `The file system of ${needs[0]?.path} has ${sizeText(free)} free; expected ${sizeText(needed)}: ${parts}`,
      hint: `make room for ${sizeText(needed - free)} more there: docker image prune, or a larger file system`,
    },
  ];
}

function needsOf({ facts, config, installed }: CheckInput): Need[] {
  const sum = (kind: string) =>
    Math.ceil(
      MARGIN *
        facts.missing.filter((entry) => entry.kind === kind).reduce((total, { size }) => total + size, 0),
    );
  const etcd = config.role === "master" && !installed ? ETCD_BYTES : 0;
  return [
    { path: facts.dockerRoot, what: "images", bytes: sum("image") },
    { path: paths.binDir, what: "programs", bytes: sum("binary") },
    { path: paths.cniBinDir, what: "network plugins", bytes: sum("cni") },
    { path: config.etcdDataDir, what: "etcd's data", bytes: etcd },
  ].filter(({ bytes }) => bytes > 0);
}

/** Programs that cannot be started, or places that cannot be written, are no use. */
export const mountOptions: Check = {
  code: "MountOptions",
  level: "error",
  title: "the node's directories can be written, and programs there started",
  run({ facts, config }) {
    const places = [
      { path: paths.binDir, wrong: ["ro", "noexec"] },
      { path: paths.cniBinDir, wrong: ["ro", "noexec"] },
      { path: facts.dockerRoot, wrong: ["ro", "noexec"] },
      { path: config.etcdDataDir, wrong: ["ro"] },
    ];
    const problems = places.flatMap(({ path, wrong }) => {
      const mount = mountOf(facts.mounts, path);
      const found = mount?.options.filter((option) => wrong.includes(option)) ?? [];
      if (!mount || found.length === 0) return [];
      const remedy = found.map((option) => ({ ro: "rw", noexec: "exec" })[option]).join(",");
      return [
        {
          message: `"${path}" is on ${mount.point}, which is mounted ${found.join(",")}; expected ${remedy}`,
          hint: `run mount -o remount,${remedy} ${mount.point} and change it in /etc/fstab`,
        },
      ];
    });
    return problems;
  },
};
