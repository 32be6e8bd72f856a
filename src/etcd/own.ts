import type { Ctx } from "../ctx.ts";
import type { EtcdClient, Member } from "./client.ts";
import type { Accepts } from "./probe.ts";
import { type MemberRecord, readRecord } from "./record.ts";

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

/** True when this node's member has a vote, as far as this host knows: the first master's began with one, and has no record. */
export async function hasVote(ctx: Pick<Ctx, "host" | "config" | "paths">): Promise<boolean> {
  const record = await readRecord(ctx).catch(() => undefined);
  return (record?.joined ?? true) && (await hasData(ctx));
}

/** The member of this node's data, among those that etcd lists. The first master has no record: it is known by its name and address. */
export function ownMember(
  members: readonly Member[],
  { ctx, record }: { ctx: Pick<Ctx, "node" | "config">; record: MemberRecord | undefined },
): Member | undefined {
  if (record) return members.find(({ id }) => id === record.id);
  return members.find(({ name, peerUrls }) => name === ctx.node.name && peerUrls.includes(ownPeerUrl(ctx)));
}
