import type { Ctx } from "../src/ctx.ts";
import { AppError } from "../src/errors.ts";
import { POD_LABEL } from "../src/host/kinds/claims.ts";
import type { KubeObject } from "../src/kube/client.ts";
import { nodePath } from "../src/kube/node.ts";
import { kubeFacts } from "../src/kube/versions.ts";
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
    await until(() => evictAll(ctx), {
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

async function evictAll(ctx: Ctx) {
  const pods = (await ctx.kube.list(`/api/v1/pods?fieldSelector=spec.nodeName=${ctx.node.name}`)).filter(
    mustGo,
  );
  await Promise.all(pods.map((pod) => evict(ctx, pod)));
  if (pods.length === 0) return { value: true };
  const names = pods.slice(0, 3).map((pod) => `${pod.metadata.namespace}/${pod.metadata.name}`);
  return {
    missing: `${names.join(", ")}${pods.length > 3 ? ` and ${pods.length - 3} more` : ""} not gone yet`,
  };
}

/** Static pods and those of DaemonSets would come back at once; finished ones are no work. */
function mustGo(pod: KubeObject): boolean {
  const owners = pod.metadata.ownerReferences ?? [];
  const mirror = pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
  const done = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  return !mirror && !done && !owners.some((owner) => owner.kind === "DaemonSet");
}

async function evict(ctx: Ctx, pod: KubeObject): Promise<void> {
  if (pod.metadata.deletionTimestamp) return await finish(ctx, pod);
  const { name, namespace = "default" } = pod.metadata;
  const response = await ctx.kube.request("POST", `${podPath(pod)}/eviction`, {
    body: {
      apiVersion: kubeFacts(ctx.bundle.kubernetesVersion).eviction,
      kind: "Eviction",
      metadata: { name, namespace },
    },
  });
  // 429: a disruption budget says not now. 404: gone meanwhile.
  if (response.status < 300 || response.status === 404 || response.status === 429) return;
  throw new AppError(
    `Cannot evict the pod "${namespace}/${name}": ${response.status} ${response.body.message ?? ""}`,
  );
}

/**
 * Takes a pod that is going away out of the cluster as soon as nothing of it runs here any more. The kubelet itself says so
 * only ten seconds later and more, in which no other node may start a pod of the same name.
 */
async function finish(ctx: Ctx, pod: KubeObject): Promise<void> {
  const containers = await ctx.docker.list([`${POD_LABEL}=${pod.metadata.uid}`]);
  const running = containers.filter(
    (one) => one.running && one.labels["io.kubernetes.docker.type"] !== "podsandbox",
  );
  if (running.length > 0) return;
  await ctx.kube.request("DELETE", podPath(pod), {
    body: {
      apiVersion: "v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid },
    },
  });
}

function podPath({ metadata }: KubeObject): string {
  return `/api/v1/namespaces/${metadata.namespace ?? "default"}/pods/${metadata.name}`;
}
