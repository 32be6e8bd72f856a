import type { Ctx } from "../ctx.ts";
import { AppError, InterruptedError, messageOf } from "../errors.ts";
import type { ContainerState } from "../docker/docker.ts";

/** What ran shorter than this has ended for a reason of its own, in milliseconds. */
const RAN_MS = 10_000;

/**
 * When a container that has ended is started: later than the kubelet does it where nothing holds it back, and before the end
 * of the shortest pause that it makes where it does, which is 10 s. In milliseconds after the end.
 */
const WINDOW_MS = { from: 4_000, to: 8_000 } as const;

/**
 * Starts containers of the control plane that have ended, where the kubelet waits: it takes every second end within some
 * minutes for a crash, and pauses for 10 s and more; also where the scheduler ended because the API server was away. It finds
 * the container running then, and is content.
 *
 * @param pod name of the static pod, whose sandbox must be the current one
 */
export async function revive({ docker, clock, log }: Pick<Ctx, "docker" | "clock" | "log">, pod: string) {
  const found = await docker.list([
    "io.kubernetes.docker.type=container",
    `io.kubernetes.pod.name=${pod}`,
    "io.kubernetes.pod.namespace=kube-system",
  ]);
  for (const { id, running } of newest(found)) {
    if (running) continue;
    const state = await docker.inspect(id);
    if (!state || state.running || state.finishedAt - state.startedAt < RAN_MS) continue;
    const ago = clock.now() - state.finishedAt;
    if (ago < WINDOW_MS.from || ago > WINDOW_MS.to) continue;
    try {
      await docker.start(id);
      log.info(`started the container ${state.name}, which had ended, without waiting for the kubelet`);
    } catch (error) {
      // The kubelet is making the pod anew: its sandbox has ended, or the container is gone. It needs no help then.
      if (!(error instanceof AppError) || error instanceof InterruptedError) throw error;
      log.info(`did not start the container ${state.name}: ${messageOf(error)}`);
    }
  }
}

/** Of each name the container that was made last. */
function newest(containers: readonly ContainerState[]): ContainerState[] {
  const byName = new Map<string, ContainerState>();
  const count = ({ labels }: ContainerState) =>
    Number(labels["annotation.io.kubernetes.container.restartCount"] ?? 0);
  for (const one of containers) {
    const name = one.labels["io.kubernetes.container.name"] ?? "";
    const known = byName.get(name);
    if (!known || count(one) > count(known)) byName.set(name, one);
  }
  return [...byName.values()];
}
