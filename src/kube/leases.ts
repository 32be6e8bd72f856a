import { hostname } from "node:os";
import type { Ctx } from "../ctx.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

/** Components that only work while they hold a lease, and call themselves by the host's name and a random id. */
const HOLDERS = ["kube-controller-manager", "kube-scheduler"] as const;

/**
 * Lets go of leases that components of this node held before they were started anew. After a kill or a power cut nobody else
 * may know that the holder is gone: the new process would wait for fifteen seconds, in which no pod is scheduled.
 *
 * A lease that was renewed since, or whose holder is on another host, is left alone.
 */
export async function releaseStaleLeases({
  kube,
  docker,
  log,
}: Pick<Ctx, "kube" | "docker" | "log">): Promise<void> {
  for (const name of HOLDERS) {
    const lease = await kube.get(`${LEASES}/${name}`);
    const holder = lease?.spec?.holderIdentity as string | undefined;
    if (!lease || !holder?.startsWith(`${hostname()}_`)) continue;
    const renewed = Date.parse(String(lease.spec?.renewTime));
    const labels = [`io.kubernetes.container.name=${name}`, "io.kubernetes.pod.namespace=kube-system"];
    const running = (await docker.list(labels)).filter((one) => one.running);
    const states = await Promise.all(running.map(({ id }) => docker.inspect(id)));
    const started = states.map((state) => state?.startedAt ?? 0);
    if (started.length === 0 || !started.every((at) => at > renewed)) continue;
    const response = await kube.request("PATCH", `${LEASES}/${name}`, {
      contentType: "application/merge-patch+json",
      // Only if nobody took it meanwhile.
      body: {
        metadata: { resourceVersion: lease.metadata.resourceVersion },
        spec: { holderIdentity: "", leaseDurationSeconds: 1 },
      },
    });
    if (response.status < 300)
      log.info(`released the lease ${name} of ${holder}, which does not run any more`);
  }
}
