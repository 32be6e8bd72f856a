import type { Ctx } from "../ctx.ts";
import type { EtcdClient, Member } from "./client.ts";
import type { Accepts } from "./probe.ts";
import type { MemberRecord } from "./record.ts";

/** How the other members are reached. */
export interface Ways {
  etcd: EtcdClient;
  accepts: Accepts;
}

/** URL of this node's member for the other ones. */
export function ownPeerUrl({ node, config }: Pick<Ctx, "node" | "config">): string {
  return `https://${node.ip}:${config.etcdPeerPort}`;
}

/** True when there is data of a member in its place. */
export async function hasData({ host, config }: Pick<Ctx, "host" | "config">): Promise<boolean> {
  return (await host.list(`${config.etcdDataDir}/member`)).length > 0;
}

/** The member of this node's data, among those that etcd lists. The first master has no record: it is known by its name and address. */
export function ownMember(
  members: readonly Member[],
  { ctx, record }: { ctx: Pick<Ctx, "node" | "config">; record: MemberRecord | undefined },
): Member | undefined {
  if (record) return members.find(({ id }) => id === record.id);
  return members.find(({ name, peerUrls }) => name === ctx.node.name && peerUrls.includes(ownPeerUrl(ctx)));
}
