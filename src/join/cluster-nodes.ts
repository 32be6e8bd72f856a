import type { Ctx } from "../ctx.ts";
import type { KubeObject } from "../kube/client.ts";
import { addressOf, isMaster, isReady, kubeletPortOf, peerOf } from "../kube/node.ts";
import type { Peer } from "../peers.ts";
import type { Candidate, KnownNode } from "./admit.ts";
import { reachable } from "../host/port.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/** A kubelet renews its lease every 10 s; one that has missed two is away, in milliseconds. */
const STALE_MS = 25_000;

/** All nodes that the API knows. */
export async function clusterNodes({ kube }: Pick<Ctx, "kube">): Promise<KubeObject[]> {
  return await kube.list("/api/v1/nodes");
}

/** The nodes as peers of one another; without those that have no address yet. */
export function peersOf(nodes: readonly KubeObject[], ctx: Pick<Ctx, "bundle">): Peer[] {
  return nodes.flatMap((node) => peerOf(node, ctx) ?? []);
}

/**
 * The nodes as those who admit a host look at them. Whether one is down is found out only for those that stand in its way: it is down
 * when its kubelet has stopped renewing its lease, and nothing accepts connections at its kubelet's port.
 */
export async function knownNodes(ctx: Ctx, candidate: Candidate): Promise<KnownNode[]> {
  const nodes = await clusterNodes(ctx);
  return await Promise.all(
    nodes.map(async (node) => {
      const ip = addressOf(node);
      const { name } = node.metadata;
      const isInTheWay = name === candidate.name || ip === candidate.ip;
      return {
        name,
        ip,
        podCidr: node.spec?.podCIDR as string | undefined,
        role: isMaster(node, ctx) ? ("master" as const) : ("worker" as const),
        machineId: node.status?.nodeInfo?.machineID as string | undefined,
        down: isInTheWay && (await isDown(ctx, { node, ip, candidate })),
      };
    }),
  );
}

async function isDown(
  { kube, clock }: Ctx,
  { node, ip, candidate }: { node: KubeObject; ip: string | undefined; candidate: Candidate },
): Promise<boolean> {
  const lease = await kube.get(`${LEASES}/${node.metadata.name}`);
  const renewed = Date.parse(String(lease?.spec?.renewTime ?? ""));
  const isSilent = Number.isNaN(renewed) ? !isReady(node) : clock.now() - renewed > STALE_MS;
  if (!isSilent) return false;
  // At the candidate's own address it is the candidate that accepts connections; anybody can say that an address is theirs.
  if (ip === undefined || (ip === candidate.ip && ip === candidate.from)) return true;
  return (await reachable(ip, [kubeletPortOf(node)])).length === 0;
}
