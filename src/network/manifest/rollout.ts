import type { Ctx } from "../../ctx.ts";
import type { KubeObject } from "../../kube/client.ts";

/**
 * What keeps a plugin's programs from working, for this node: its own pods of DaemonSets are ready, and Deployments are
 * available. Another node's pod is that node's matter: a dead one must not keep this one waiting.
 *
 * @param paths of the plugin's objects in the API
 * @returns undefined when they do
 */
export async function whatIsNotReady(
  ctx: Pick<Ctx, "kube" | "node">,
  paths: readonly string[],
): Promise<string | undefined> {
  const found = await Promise.all(paths.map((path) => notReady(ctx, path)));
  const words = found.filter((one) => one !== undefined);
  return words.length > 0 ? words.join(", ") : undefined;
}

async function notReady(ctx: Pick<Ctx, "kube" | "node">, path: string): Promise<string | undefined> {
  const [kind = "", name] = path.split("/").slice(-2);
  if (kind !== "daemonsets" && kind !== "deployments") return undefined;
  const found = await ctx.kube.get(path);
  if (!found) return `there is no ${kind.slice(0, -1)} ${name}`;
  if ((found.status?.observedGeneration ?? 0) < (found.metadata.generation ?? 0))
    return `${name}: not taken up yet`;
  return kind === "daemonsets" ? await daemonSetMissing(ctx, found) : deploymentMissing(found);
}

/** As the DaemonSet counts, where it has no pod for this node. */
async function daemonSetMissing(
  ctx: Pick<Ctx, "kube" | "node">,
  found: KubeObject,
): Promise<string | undefined> {
  const { name, namespace } = found.metadata;
  const labels = Object.entries((found.spec?.selector?.matchLabels ?? {}) as Record<string, string>);
  const query = new URLSearchParams({
    labelSelector: labels.map(([key, value]) => `${key}=${value}`).join(","),
    fieldSelector: `spec.nodeName=${ctx.node.name}`,
  });
  const pods = await ctx.kube.list(`/api/v1/namespaces/${namespace}/pods?${query.toString()}`);
  const own = pods.filter((pod) => !pod.metadata.deletionTimestamp);
  if (own.some(isPodReady)) return undefined;
  const { desiredNumberScheduled = 0, currentNumberScheduled = 0, numberReady = 0 } = found.status ?? {};
  // Not for this node, and everywhere else it has its pod.
  if (own.length === 0 && currentNumberScheduled >= desiredNumberScheduled) return undefined;
  const why = own[0] ? whyNotReady(own[0]) : "not on this node yet";
  return `${name} ${numberReady}/${desiredNumberScheduled} ready (${why})`;
}

function deploymentMissing({ metadata, spec, status }: KubeObject): string | undefined {
  const conditions = (status?.conditions ?? []) as { type: string; status: string }[];
  if (conditions.some(({ type, status: is }) => type === "Available" && is === "True")) return undefined;
  return `${metadata.name} ${status?.readyReplicas ?? 0}/${spec?.replicas ?? 1} ready`;
}

function isPodReady({ status }: KubeObject): boolean {
  const conditions = (status?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
}

/** The kubelet's word about the first container that does not run, for example `ErrImagePull`. */
function whyNotReady({ status }: KubeObject): string {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])] as {
    state?: { waiting?: { reason?: string } };
  }[];
  const reason = all.map(({ state }) => state?.waiting?.reason).find(Boolean);
  return reason ?? (status?.phase as string | undefined) ?? "Pending";
}
