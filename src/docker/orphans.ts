import { codeOf } from "../errors.ts";
import type { Host } from "../host/host.ts";

/** Where containerd keeps what runs: that of the host, and that which an engine starts for itself. */
const TASKS = ["/run/containerd", "/run/docker/containerd/daemon"].map(
  (state) => `${state}/io.containerd.runtime.v2.task/moby`,
);

/** A container that still runs, though the engine has lost it, for example with all its data. */
export interface Orphan {
  id: string;
  /** Its first process. */
  pid: number;
}

/** What is read of a container's OCI configuration. */
interface OciConfig {
  mounts?: { source?: string }[];
  linux?: { cgroupsPath?: string };
}

/**
 * Finds containers of the node that run outside of the engine's knowledge. They hold the ports and the data of those that are
 * started in their place. Containers that neither nodelet nor its kubelet has started are not among them.
 */
export async function findOrphans(
  host: Pick<Host, "list" | "read" | "exists" | "docker">,
): Promise<Orphan[]> {
  const found = await Promise.all(
    TASKS.map(async (dir) => (await host.list(dir)).map((id) => ({ id, bundle: `${dir}/${id}` }))),
  );
  const tasks = found.flat();
  if (tasks.length === 0) return [];
  // Asked after the look at the tasks: a container that is being removed is gone from there first.
  const known = new Set((await host.docker.list([])).map(({ id }) => id));
  const orphans = await Promise.all(
    tasks
      .filter(({ id }) => !known.has(id))
      .map(async ({ id, bundle }) => {
        const pid = Number(await host.read(`${bundle}/init.pid`));
        if (!(pid > 1) || !isOurs(await host.read(`${bundle}/config.json`))) return undefined;
        return (await host.exists(`/proc/${pid}/stat`)) ? { id, pid } : undefined;
      }),
  );
  return orphans.filter((one) => one !== undefined);
}

/** By what it was given: the label that says it too is lost with the engine's data. */
function isOurs(config: string | undefined): boolean {
  if (config === undefined) return false;
  const { mounts = [], linux } = JSON.parse(config) as OciConfig;
  if (linux?.cgroupsPath?.includes("kubepods")) return true;
  return mounts.some(({ source }) => source?.startsWith("/etc/pf9/"));
}

/**
 * Ends them. What is left of them in containerd, containerd cleans up itself.
 *
 * @param kill sends SIGKILL to a process
 * @returns those that were there
 */
export async function endOrphans(host: Host, kill: (pid: number) => void = killHard): Promise<Orphan[]> {
  if (host.detached || !(await host.docker.alive())) return [];
  const orphans = await findOrphans(host);
  for (const { pid } of orphans) kill(pid);
  return orphans;
}

function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended by itself meanwhile.
    if (codeOf(error) !== "ESRCH") throw error;
  }
}
