import { parseAddress, parseCidr } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import type { Peer } from "../peers.ts";
import type { KubeObject } from "./client.ts";
import { kubeFacts } from "./versions.ts";

/** A taint as the API has it. */
export interface NodeTaint {
  key: string;
  value?: string;
  effect: string;
}

/** The path of a node's object, for example of this node's. */
export function nodePath(ctx: { node: { name: string } }): string {
  return `/api/v1/nodes/${ctx.node.name}`;
}

/** TCP port of a node's kubelet, as its Node says it; the usual one while it does not say. */
export function kubeletPortOf(node: KubeObject): number {
  return Number(node.status?.daemonEndpoints?.kubeletEndpoint?.Port || 10_250);
}

/** The IPv4 address that other nodes reach a node at; undefined while it has told none. */
export function addressOf(node: KubeObject): string | undefined {
  const addresses = (node.status?.addresses ?? []) as { type: string; address: string }[];
  return addresses.find((one) => one.type === "InternalIP" && parseAddress(one.address)?.family === 4)
    ?.address;
}

/** True for a node with the label of a master. */
export function isMaster(node: KubeObject, { bundle }: Pick<Ctx, "bundle">): boolean {
  const { masterLabels } = kubeFacts(bundle.kubernetesVersion);
  return masterLabels.some((label) => node.metadata.labels?.[label] !== undefined);
}

/** A node as the others see it; undefined for one that nobody could reach yet. */
export function peerOf(node: KubeObject, ctx: Pick<Ctx, "bundle">): Peer | undefined {
  const ip = addressOf(node);
  if (ip === undefined) return undefined;
  const podCidr = String(node.spec?.podCIDR ?? "");
  return {
    name: node.metadata.name,
    ip,
    ...(parseCidr(podCidr)?.family === 4 && { podCidr }),
    master: isMaster(node, ctx),
  };
}

/** The labels that say what the node is, and those that the operator wants. */
export function wantedLabels({ config, bundle }: Pick<Ctx, "config" | "bundle">): Record<string, string> {
  const role =
    config.role === "master"
      ? kubeFacts(bundle.kubernetesVersion).masterLabels
      : ["node-role.kubernetes.io/worker"];
  return { ...Object.fromEntries(role.map((name) => [name, ""])), ...config.nodeLabels };
}

/** The node's taints with ours as wanted, and everybody else's as they are. */
export function wantedTaints(
  current: readonly NodeTaint[],
  { config, bundle }: Pick<Ctx, "config" | "bundle">,
): NodeTaint[] {
  const master = kubeFacts(bundle.kubernetesVersion).masterTaint;
  const ours: NodeTaint[] = [
    ...(config.role === "master" && !config.allowWorkloadsOnMaster
      ? [{ key: master, effect: "NoSchedule" }]
      : []),
    ...config.nodeTaints,
  ];
  const again = (taint: NodeTaint, at: number) =>
    ours.findLastIndex((own) => own.key === taint.key && own.effect === taint.effect) !== at;
  const isOurs = (taint: NodeTaint) =>
    taint.key === master || ours.some((own) => own.key === taint.key && own.effect === taint.effect);
  return [...current.filter((taint) => !isOurs(taint)), ...ours.filter((taint, at) => !again(taint, at))];
}

/** True when the node says that it is ready. */
export function isReady(node: KubeObject): boolean {
  const conditions = (node.status?.conditions ?? []) as { type: string; status: string }[];
  return conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
}

/** Why a node is not ready, in its own words. */
export function whyNotReady(node: KubeObject): string {
  const conditions = (node.status?.conditions ?? []) as { type: string; message?: string }[];
  return (
    conditions.find((condition) => condition.type === "Ready")?.message ?? "the kubelet has not reported yet"
  );
}

/** The change that brings a Node to what is wanted of its labels, taints and block of pods; undefined when it is there. */
export function nodePatch(
  node: KubeObject,
  wanted: Pick<Ctx, "config" | "bundle"> & { podCidr: string },
): { metadata: object; spec: object } | undefined {
  const labels = wantedLabels(wanted);
  const taints = (node.spec?.taints ?? []) as NodeTaint[];
  const nextTaints = wantedTaints(taints, wanted);
  const labelsDiffer = Object.entries(labels).some(([name, value]) => node.metadata.labels?.[name] !== value);
  const taintsDiffer = !Bun.deepEquals(taints.map(taintKey).sort(), nextTaints.map(taintKey).sort());
  const cidrMissing = !node.spec?.podCIDR;
  if (!labelsDiffer && !taintsDiffer && !cidrMissing) return undefined;
  const { podCidr } = wanted;
  return {
    metadata: { labels },
    spec: {
      ...(cidrMissing && { podCIDR: podCidr, podCIDRs: [podCidr] }),
      // Replaced as a whole, and only if nobody changed it since.
      ...(taintsDiffer && { taints: [...nextTaints, { $patch: "replace" }] }),
    },
  };
}

const taintKey = ({ key, value, effect }: NodeTaint) => `${key}=${value ?? ""}:${effect}`;
