import { systemClock } from "../../ctx.ts";
import type { ContainerSpec, ContainerState } from "../../docker/docker.ts";
import { messageOf } from "../../errors.ts";
import { sha256 } from "../hash.ts";
import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";

/** The label that holds the digest of the spec a container was made from. */
export const SPEC_LABEL = "io.pf9.nodelet.spec";

/** A container that runs as described, or (`spec` absent) no container of that name. */
export interface ContainerWanted {
  name: string;
  spec?: ContainerSpec;
}

/** What the engine had under that name. */
export interface ContainerFound {
  exists: boolean;
  running: boolean;
  /** Digest of the spec that it was made from; empty when it is not ours. */
  spec: string;
}

/** The digest of a spec, which says whether a running container is the one that is wanted. */
export function specDigest(spec: ContainerSpec): string {
  return sha256(JSON.stringify(spec));
}

/** Containers that nodelet runs in the engine beside Kubernetes. */
export const containerKind: Kind<ContainerWanted, ContainerFound> = {
  key: (wanted) => wanted.name,
  async read(machine, wanted) {
    const state = await machine.docker.inspect(wanted.name);
    return {
      exists: state !== undefined,
      running: state?.running ?? false,
      spec: state?.labels[SPEC_LABEL] ?? "",
    };
  },
  same: (found, wanted) =>
    wanted.spec ? found.running && found.spec === specDigest(wanted.spec) : !found.exists,
  keep: ({ name, spec }) => ({ name, digest: spec ? specDigest(spec) : null }),
  still: (found, kept: { digest: string | null }) =>
    kept.digest === null ? !found.exists : found.running && found.spec === kept.digest,
  async apply(machine, { name, spec }) {
    const state = await settled(machine, name);
    if (spec && state && state.labels[SPEC_LABEL] === specDigest(spec)) {
      // Made by a run that was killed before the start, or stopped since.
      if (state.running) return;
      // One that ends again and again waits longer and longer for its next start; this begins anew.
      if (state.status.startsWith("restarting")) await machine.docker.stop(name, 0);
      return await start(machine, name);
    }
    if (state?.running) await machine.docker.stop(name, 10);
    await machine.docker.remove(name);
    if (!spec) return;
    await machine.docker.create({ ...spec, labels: { ...spec.labels, [SPEC_LABEL]: specDigest(spec) } });
    await start(machine, name);
  },
  async restore(machine, { key, before }) {
    // A foreign container of this name is refused by preflight, so there is none to put back.
    if (!before.exists && (await machine.docker.alive())) await machine.docker.remove(key);
  },
  describe: (found, wanted) => ({
    from: found.running ? "running" : found.exists ? "stopped" : "absent",
    to: wanted.spec ? `running ${wanted.spec.imageId.slice(7, 19)}` : "absent",
  }),
};

/**
 * With cgroups of version 1, systemd removes empty cgroups of others when it starts a unit after a reload (seen for blkio and cpu): the engine's
 * own is gone between two steps of the runtime when the first container is started while the kubelet's unit is. Another try makes it anew.
 */
const TRIMMED = /unable to apply cgroup configuration/;
const TRIES = 3;

async function start({ docker }: Machine, name: string): Promise<void> {
  for (let left = TRIES - 1; ; left--) {
    try {
      return await docker.start(name);
    } catch (error) {
      if (left === 0 || !TRIMMED.test(messageOf(error))) throw error;
    }
  }
}

/** One that somebody removes can be neither started nor replaced until it is gone: waits for that, in milliseconds. */
const REMOVAL_MS = 30_000;

async function settled({ docker }: Machine, name: string): Promise<ContainerState | undefined> {
  const end = systemClock.monotonic() + REMOVAL_MS;
  for (;;) {
    const state = await docker.inspect(name);
    if (!state || !/^(removing|dead)\b/.test(state.status) || systemClock.monotonic() >= end) return state;
    await systemClock.sleep(100);
  }
}
