import type { Ctx } from "../src/ctx.ts";
import { POD_LABEL } from "../src/host/kinds/claims.ts";
import type { KubeObject } from "../src/kube/client.ts";
import { deletePod, evictPods } from "../src/kube/drain.ts";
import { nodePath } from "../src/kube/node.ts";
import type { Phase } from "../src/runner/phase.ts";
import { until } from "../src/runner/wait.ts";
import { CORDONED } from "./130-uncordon-node.ts";

/** The pods of the node go elsewhere before anything else stops. Start does nothing. */
export const drainPods: Phase = {
  id: "210-drain-pods",
  title: "Drain all pods (stop only operation)",
  roles: ["master", "worker"],
  // A part of the stack that is started anew does not move the pods of the node.
  onlyFullStop: true,
  start: async () => "unchanged",
  async stop(ctx, say) {
    // Without an API there is nobody to ask, and nobody who would start the pods elsewhere.
    if (ctx.host.detached || !(await ctx.kube.ready())) {
      ctx.log.warn("drain: the API server does not answer; pods are stopped where they are");
      return "unchanged";
    }
    const node = await ctx.kube.get(nodePath(ctx));
    if (!node) return "unchanged";
    // A cordon of the operator is not ours to take away later, so it gets no mark.
    if (!node.spec?.unschedulable) {
      await ctx.kube.patch(nodePath(ctx), {
        metadata: { annotations: { [CORDONED]: "true" } },
        spec: { unschedulable: true },
      });
    }
    await until(() => evictPods(ctx, { node: ctx.node.name, finish: (pod) => finish(ctx, pod) }), {
      action: "drain the node",
      timeoutMs: ctx.config.drainTimeoutSeconds * 1000,
      everyMs: 500,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: "a PodDisruptionBudget may forbid it; set drainTimeoutSeconds in /etc/pf9/nodelet, or use stop --force",
    });
    return "changed";
  },
};

/**
 * Takes a pod that is going away out of the cluster as soon as nothing of it runs here any more. The kubelet itself says so
 * only ten seconds later and more, in which no other node may start a pod of the same name.
 */
async function finish(ctx: Ctx, pod: KubeObject): Promise<void> {
  const containers = await ctx.docker.list([`${POD_LABEL}=${pod.metadata.uid}`]);
  const running = containers.filter(
    (one) => one.running && one.labels["io.kubernetes.docker.type"] !== "podsandbox",
  );
  if (running.length === 0) await deletePod(ctx, pod);
}
