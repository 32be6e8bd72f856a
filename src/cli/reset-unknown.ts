import { existsSync } from "node:fs";
import type { BundleIndex } from "../bundle/index-format.ts";
import { readSysctl } from "../host/kinds/sysctl.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import { kubeletSysctls, networkSysctls } from "../preflight/needs.ts";

/** What the host's kernel settings are made from at each boot. */
export const SETTINGS_FILES: readonly string[] = [
  "/etc/sysctl.d/99-pf9-kubelet.conf",
  "/etc/sysctl.d/99-pf9-network.conf",
];

/** What is known of a node without its journal. */
export interface Known {
  /** Of the bundle that it was made from. */
  index: BundleIndex | undefined;
  /** References of its images. */
  images: readonly string[];
}

/**
 * What only the journal knew, and what therefore stays as it is. Asked before anything is removed.
 *
 * @returns a sentence for each; none where nothing is uncertain
 */
export async function unknownOf(machine: Machine, { index, images }: Known): Promise<string[]> {
  const is = (path: string) => existsSync(placeOf(machine, path));
  const set = SETTINGS_FILES.some(is) ? await valuesOfOurs(machine) : [];
  const hostEngine = machine.root === "/" && is(paths.daemonUnit) && !is(paths.engineUnit);
  const sentences: [boolean, string][] = [
    [set.length > 0, `kernel settings stay as init set them: ${set.join(", ")}`],
    [
      is(paths.daemonJson),
      `"${paths.daemonJson}" stays; init adds live-restore, log-driver and log-opts where they are not set`,
    ],
    [hostEngine, "docker.service stays as it is; init starts and enables it"],
    [images.length === 0 && !is(paths.engineUnit), "images stay; which came with the bundle is not known"],
    [
      !index && is(paths.cniBinDir),
      `programs in "${paths.cniBinDir}" stay; which came with the bundle is not known`,
    ],
  ];
  return sentences.flatMap(([holds, sentence]) => (holds ? [sentence] : []));
}

async function valuesOfOurs(machine: Machine): Promise<string[]> {
  const wanted = Object.entries({ ...networkSysctls, ...kubeletSysctls });
  const found = await Promise.all(
    wanted.map(async ([name, value]) =>
      (await readSysctl(machine, name)).value === value ? [`${name}=${value}`] : [],
    ),
  );
  return found.flat();
}
