import type { Config } from "../config/config.ts";
import type { Ctx } from "../ctx.ts";
import type { KubeObject } from "../kube/client.ts";
import { kubeletConfigSource } from "../kube/kubelet-config.ts";
import { nodePatch, wantedLabels, wantedTaints } from "../kube/node.ts";
import { kubeFacts } from "../kube/versions.ts";
import type { NodeRequest } from "./protocol.ts";
import { JoinRefusal } from "./refusal.ts";
import type { NodeRecord } from "./state.ts";

/** Labels that a node may not give itself, whoever asks for it: what is a master, and what NodeRestriction keeps for administrators. */
const FORBIDDEN =
  /^(node-restriction\.kubernetes\.io\/|([^/]*\.)?node-restriction\.kubernetes\.io\/|node-role\.kubernetes\.io\/)/;

/**
 * Makes or changes the Node of a worker: role, labels, taints, block of pods, and where its kubelet takes its configuration from. A
 * worker may do none of that itself.
 *
 * @throws JoinRefusal for labels that a node may not have of its own will
 */
export async function registerNode(
  ctx: Ctx,
  { record, wanted }: { record: NodeRecord; wanted: NodeRequest },
): Promise<void> {
  const bad = Object.keys(wanted.labels).filter((name) => FORBIDDEN.test(name));
  if (bad.length > 0) {
    throw new JoinRefusal("BadRequest", `A node may not give itself the label ${bad.join(", ")}`, {
      hint: "take it out of nodeLabels; an administrator may set it: kubectl label node",
    });
  }
  const as = {
    bundle: ctx.bundle,
    config: {
      ...ctx.config,
      role: record.role,
      nodeLabels: wanted.labels,
      nodeTaints: wanted.taints,
    } as Config,
  };
  const path = `/api/v1/nodes/${record.name}`;
  const { podCidr, name, ip } = record;
  const found = await ctx.kube.get(path);
  const source = kubeFacts(ctx.bundle.kubernetesVersion).dynamicKubeletConfig
    ? { configSource: kubeletConfigSource(record.role) }
    : {};
  if (!found) {
    const node: KubeObject = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "kubernetes.io/hostname": name, ...wantedLabels(as) } },
      spec: { podCIDR: podCidr, podCIDRs: [podCidr], taints: wantedTaints([], as), ...source },
      status: {
        addresses: [{ type: "InternalIP", address: ip }],
        // A kubelet of 1.20 that finds a node without any capacity writes into a map that is not there, and panics.
        capacity: { pods: "0" },
        allocatable: { pods: "0" },
      },
    };
    await ctx.kube.create("/api/v1/nodes", node);
    return;
  }
  const patch = nodePatch(found, { ...as, podCidr });
  const hasSource = Bun.deepEquals({ configSource: found.spec?.configSource }, source);
  if (patch || !hasSource) await ctx.kube.patch(path, { ...patch, spec: { ...patch?.spec, ...source } });
}
