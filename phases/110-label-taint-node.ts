import { AppError } from "../src/errors.ts";
import type { Ctx } from "../src/ctx.ts";
import type { Outcome } from "../src/host/host.ts";
import { JoinRefusal } from "../src/join/refusal.ts";
import { askMasters } from "../src/join/member.ts";
import type { KubeObject } from "../src/kube/client.ts";
import { kubeletConfigSource } from "../src/kube/kubelet-config.ts";
import { nodePatch, nodePath, wantedLabels, wantedTaints } from "../src/kube/node.ts";
import { kubeFacts } from "../src/kube/versions.ts";
import { rememberRemoval } from "../src/removal.ts";
import type { Phase } from "../src/runner/phase.ts";

/** What the API says about this node: role, labels, taints, and its block of pod addresses. */
export const labelTaintNode: Phase = {
  id: "110-label-taint-node",
  title: "Apply and validate node taints",
  roles: ["master", "worker"],
  async start(ctx) {
    if (ctx.host.detached) return "unchanged";
    if (ctx.config.role !== "master") return await askToRegister(ctx);
    const node = await registeredNode(ctx);
    checkPodCidr(node, ctx);
    const patch = nodePatch(node, wantedOf(ctx));
    if (!patch) return "unchanged";
    await ctx.kube.patch(nodePath(ctx), patch);
    return "changed";
  },
  stop: async () => "unchanged",
  async status(ctx) {
    const node = await ctx.kube.get(nodePath(ctx));
    if (!node) return { state: "stopped", message: `there is no node "${ctx.node.name}" in the cluster` };
    return nodePatch(node, wantedOf(ctx))
      ? { state: "failed", message: "labels, taints or the pod block are not as configured" }
      : { state: "running" };
  },
};

/** A worker may not say of itself what it is, or which pods it takes: a master says it, once it has seen who asks. */
async function askToRegister(ctx: Ctx): Promise<Outcome> {
  const node = await ctx.kube.get(nodePath(ctx));
  if (node) checkPodCidr(node, ctx);
  if (node && !nodePatch(node, wantedOf(ctx)) && takesClusterConfig(node, ctx)) return "unchanged";
  const { ip } = ctx.node;
  const labels = { ...ctx.config.nodeLabels };
  const taints = ctx.config.nodeTaints.map(({ key, value, effect }) => ({
    key,
    ...(value && { value }),
    effect,
  }));
  try {
    await askMasters(ctx, (master) => master.node({ ip, labels, taints }));
  } catch (error) {
    if (error instanceof JoinRefusal && error.code === "NotAMember") await rememberRemoval(ctx);
    throw error;
  }
  return "changed";
}

/** The Node says where its kubelet takes its configuration from, in versions where kubelets do. */
function takesClusterConfig({ spec }: KubeObject, { bundle }: Ctx): boolean {
  if (!kubeFacts(bundle.kubernetesVersion).dynamicKubeletConfig) return true;
  return spec?.configSource?.configMap?.name === kubeletConfigSource("worker").configMap.name;
}

const wantedOf = ({ config, bundle, node }: Ctx) => ({ config, bundle, podCidr: node.podCidr });

/**
 * The node's object. Where the kubelet has not registered yet it is made here, and the kubelet takes it for its own: by
 * itself it tries again only after up to seven seconds.
 */
async function registeredNode(ctx: Ctx): Promise<KubeObject> {
  const { name, podCidr } = ctx.node;
  const found = await ctx.kube.get(nodePath(ctx));
  if (found) return found;
  return await ctx.kube.create("/api/v1/nodes", {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...wantedLabels(ctx) } },
    spec: { podCIDR: podCidr, podCIDRs: [podCidr], taints: wantedTaints([], ctx) },
    // A kubelet of 1.20 that finds a node without any capacity writes into a map that is not there, and panics.
    status: { capacity: { pods: "0" }, allocatable: { pods: "0" } },
  });
}

/** A node keeps the block it has; pods with addresses of another one would reach nobody. */
function checkPodCidr(node: KubeObject, ctx: Ctx): void {
  const found = node.spec?.podCIDR as string | undefined;
  if (!found || found === ctx.node.podCidr) return;
  throw new AppError(
    `Cannot give the pod block ${ctx.node.podCidr} to "${ctx.node.name}": it has ${found} already`,
    {
      hint: `set --pod-cidr ${found}`,
    },
  );
}
