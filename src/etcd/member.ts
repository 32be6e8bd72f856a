import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import { accepts } from "../host/port.ts";
import { otherMasters } from "../peers.ts";
import { rememberRemoval } from "../removal.ts";
import type { Say } from "../runner/phase.ts";
import { clientUrl, type EtcdClient, etcdClient, type Member } from "./client.ts";
import { joinMembers } from "./join.ts";
import { hasData, ownPeerUrl, type Ways } from "./own.ts";
import { type MemberRecord, readRecord } from "./record.ts";
import { EtcdError } from "./wire.ts";

type EndpointCtx = Pick<Ctx, "host" | "node" | "config" | "paths">;

/** The client URLs of the other masters. */
export async function otherEndpoints(ctx: EndpointCtx): Promise<string[]> {
  return (await otherMasters(ctx)).map(({ ip }) => clientUrl(ip, ctx));
}

/** The client URLs of all masters, this one's first. */
export async function allEndpoints(ctx: EndpointCtx): Promise<string[]> {
  return [clientUrl("127.0.0.1", ctx), ...(await otherEndpoints(ctx))];
}

/**
 * Makes this master a member of etcd, where it has to become one; on return its container may be started. A first master
 * without others has nothing to do: its member begins the cluster.
 *
 * @param options `ways`: to the other members; by default as the list of peers has them
 * @returns "changed" when the node joined
 * @throws AppError when it cannot join, or when its member was removed by another master
 */
export async function settleMember(
  ctx: Ctx,
  { say, ways }: { say?: Say; ways?: Ways } = {},
): Promise<"changed" | "unchanged"> {
  const others = await otherEndpoints(ctx);
  const record = await readRecord(ctx);
  const data = await hasData(ctx);
  const complete = data && (record?.joined ?? !ctx.node.joined);
  if (others.length === 0) {
    if (complete || (!ctx.node.joined && !record)) return "unchanged";
    throw new AppError(
      `Cannot join etcd: this node has joined a cluster, but "${ctx.paths.peers}" names no other master; expected one at least`,
      { hint: "run nodelet join again, or nodelet reset" },
    );
  }
  if (complete) {
    const endpoints = [clientUrl("127.0.0.1", ctx), ...others];
    await expectListed(ctx, { etcd: ways?.etcd ?? etcdClient(ctx, endpoints), record });
    return "unchanged";
  }
  await joinMembers(ctx, { etcd: etcdClient(ctx, others), accepts, ...ways, ...(say && { say }) });
  return "changed";
}

/** Where nobody can tell (all hosts may be booting), the member is started, which is what the others wait for. */
async function expectListed(
  ctx: Ctx,
  { etcd, record }: { etcd: EtcdClient; record: MemberRecord | undefined },
): Promise<void> {
  const members = await etcd.members().catch((error: unknown) => {
    if (error instanceof EtcdError) return undefined;
    throw error;
  });
  const isOwn = ({ id, name, peerUrls }: Member) =>
    record ? id === record.id : name === ctx.node.name || peerUrls.includes(ownPeerUrl(ctx));
  if (!members || members.some(isOwn)) return;
  await rememberRemoval(ctx);
  const names = members.map(({ name, id }) => name || id).sort();
  throw new AppError(
    `Cannot start etcd: the member "${ctx.node.name}" was removed from the cluster; its members are ${names.join(", ")}`,
    { hint: "nodelet reset frees this host; nodelet join makes it a node again" },
  );
}
