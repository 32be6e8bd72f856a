import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import { accepts } from "../host/port.ts";
import { otherMasters } from "../peers.ts";
import { rememberRemoval } from "../removal.ts";
import type { Say } from "../runner/phase.ts";
import { clientUrl, type EtcdClient, etcdClient, type Member } from "./client.ts";
import { joinMembers } from "./join.ts";
import { hasData, type Ways } from "./own.ts";
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
  if (!members) return;
  const isOwn = (member: Member) => (record ? member.id === record.id : isFirst(member, { ctx, etcd }));
  if ((await Promise.all(members.map(isOwn))).includes(true)) return;
  await rememberRemoval(ctx);
  // Of its own name is who has taken its place.
  const told = ({ name, id, peerUrls }: Member) =>
    name === ctx.node.name ? `${name} at ${peerUrls.join(", ")}` : name || id;
  const names = members.map(told).sort();
  throw new AppError(
    `Cannot start etcd: the member "${ctx.node.name}" was removed from the cluster; its members are ${names.join(", ")}`,
    { hint: "nodelet reset frees this host; nodelet join makes it a node again" },
  );
}

/**
 * The member of the first master, which no record names. A member of its name at another address is its own while that is only where it
 * was before its address changed; where that member lives, another host has taken its place.
 */
async function isFirst(member: Member, { ctx, etcd }: { ctx: Ctx; etcd: EtcdClient }): Promise<boolean> {
  const { id, name, peerUrls, clientUrls } = member;
  if ([...peerUrls, ...clientUrls].some((url) => new URL(url).hostname === ctx.node.ip)) return true;
  if (name !== ctx.node.name) return false;
  // Whoever answers for another member, or for another cluster, is not it.
  const answersAt = async (urls: readonly string[]) =>
    (await Promise.all(urls.map((url) => etcd.status(url)))).some((status) => status?.id === id);
  // A host may still have the address that it had.
  return !(await answersAt(clientUrls)) || (await answersAt([clientUrl("127.0.0.1", ctx)]));
}
