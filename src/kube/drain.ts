import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import type { Poll } from "../runner/wait.ts";
import type { KubeObject } from "./client.ts";
import { kubeFacts } from "./versions.ts";

type DrainCtx = Pick<Ctx, "kube" | "bundle">;

/**
 * One look at the pods of a node: those that must go and do not yet are evicted, as their disruption budgets allow.
 *
 * @param options `finish`: called for a pod that is on its way out
 */
export async function evictPods(
  ctx: DrainCtx,
  { node, finish }: { node: string; finish?: (pod: KubeObject) => Promise<void> },
): Promise<Poll<true>> {
  const pods = (await podsOf(ctx, node)).filter(mustGo);
  await Promise.all(pods.map((pod) => (pod.metadata.deletionTimestamp ? finish?.(pod) : evict(ctx, pod))));
  if (pods.length === 0) return { value: true };
  const names = pods.slice(0, 3).map((pod) => `${pod.metadata.namespace}/${pod.metadata.name}`);
  return {
    missing: `${names.join(", ")}${pods.length > 3 ? ` and ${pods.length - 3} more` : ""} not gone yet`,
  };
}

/** Deletes all pods of a node that nobody asks any more. @returns how many there were */
export async function deletePods(ctx: DrainCtx, { node }: { node: string }): Promise<number> {
  const pods = await podsOf(ctx, node);
  await Promise.all(pods.map((pod) => deletePod(ctx, pod)));
  return pods.length;
}

/** Takes a pod out of the API, without a question to its kubelet; one that was made anew under its name stays. */
export async function deletePod({ kube }: Pick<Ctx, "kube">, pod: KubeObject): Promise<void> {
  await kube.request("DELETE", podPath(pod), {
    body: {
      apiVersion: "v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      preconditions: { uid: pod.metadata.uid },
    },
  });
}

function podsOf({ kube }: DrainCtx, node: string): Promise<KubeObject[]> {
  return kube.list(`/api/v1/pods?fieldSelector=spec.nodeName=${node}`);
}

/** Static pods and those of DaemonSets would come back at once; finished ones are no work. */
function mustGo(pod: KubeObject): boolean {
  const owners = pod.metadata.ownerReferences ?? [];
  const mirror = pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
  const done = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  return !mirror && !done && !owners.some((owner) => owner.kind === "DaemonSet");
}

async function evict({ kube, bundle }: DrainCtx, pod: KubeObject): Promise<void> {
  const { name, namespace = "default" } = pod.metadata;
  const response = await kube.request("POST", `${podPath(pod)}/eviction`, {
    body: {
      apiVersion: kubeFacts(bundle.kubernetesVersion).eviction,
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

function podPath({ metadata }: KubeObject): string {
  return `/api/v1/namespaces/${metadata.namespace ?? "default"}/pods/${metadata.name}`;
}
