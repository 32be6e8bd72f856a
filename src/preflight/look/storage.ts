import { paths } from "../../paths.ts";
import type { Plan } from "../check.ts";
import { type Mount, parseMounts } from "../parse.ts";
import type { HostProbe, Space } from "../probe.ts";

/** File systems, and what they let us do. */
export interface StorageFacts {
  mounts: readonly Mount[];
  /** Places of the node without symbolic links, by the path that the configuration has. */
  realPaths: ReadonlyMap<string, string>;
  /** Room by path. */
  space: ReadonlyMap<string, Space>;
  /** Places that could not be written to by this user. */
  unwritable: readonly string[];
  /** Milliseconds of small writes where etcd's data is or would be; undefined when that was not tried, or not possible. */
  syncedWrites: readonly number[] | undefined;
}

/** Places that nodelet writes to itself. Others' places (the engine's, etcd's) are judged by their mounts. */
export const OWN_PLACES: readonly string[] = [
  "/etc/pf9",
  "/etc/systemd/system",
  "/etc/sysctl.d",
  "/etc/modules-load.d",
  paths.cniConfDir,
  paths.cniBinDir,
  paths.binDir,
  paths.runtimeDir,
  paths.stateDir,
  paths.logDir,
  paths.kubeletDir,
];

/** Looks at the file systems of the node's places; measures etcd's disk when nothing else is under way. */
export async function lookAtStorage(
  probe: HostProbe,
  { plan, dockerRoot }: { plan: Plan; dockerRoot: string },
): Promise<Omit<StorageFacts, "syncedWrites">> {
  const places = [
    ...new Set([
      ...OWN_PLACES,
      dockerRoot,
      plan.config.etcdDataDir,
      ...Object.keys(plan.config.storageChecklist),
    ]),
  ];
  const [mounts, found] = await Promise.all([
    probe.readText("/proc/mounts"),
    Promise.all(
      places.map(async (path) => ({
        path,
        real: await probe.realPath(path),
        space: await probe.space(path),
        writable: !OWN_PLACES.includes(path) || (await probe.writable(path)),
      })),
    ),
  ]);
  return {
    mounts: parseMounts(mounts ?? ""),
    realPaths: new Map(found.map(({ path, real }) => [path, real])),
    space: new Map(found.flatMap(({ path, space }) => (space ? [[path, space] as const] : []))),
    unwritable: found.filter(({ writable }) => !writable).map(({ path }) => path),
  };
}

/**
 * Measures etcd's disk, for somebody who asks how the host is: init would go on anyway, a second later. Other work would be
 * measured as well, so this comes last.
 */
export async function measureDisk(
  probe: HostProbe,
  { config, looking }: Plan,
): Promise<readonly number[] | undefined> {
  if (!looking || config.role !== "master" || probe.uid() !== 0) return undefined;
  return await probe.syncedWrites(config.etcdDataDir);
}
