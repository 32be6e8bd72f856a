import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import type { Say } from "../runner/phase.ts";
import { until } from "../runner/wait.ts";
import { clientUrl, type EtcdClient, etcdClient, type Member } from "./client.ts";
import { takeMemberLock } from "./lock.ts";
import { otherEndpoints } from "./member.ts";
import { ownPeerUrl } from "./own.ts";
import { lookAt, whyNotRemove } from "./quorum.ts";
import { type MemberRecord, readRecord } from "./record.ts";
import { isPassing } from "./wire.ts";

/** etcd takes the next change some seconds after the last one. */
const REMOVE_MS = 30_000;

/** A node, as its member can be known by: one that never started has an address, and no name. */
export interface MemberNode {
  node: string;
  ip?: string;
}

/** The member of a node. */
export function memberOfNode(members: readonly Member[], { node, ip }: MemberNode): Member | undefined {
  const isAt = (url: string) => new URL(url).hostname === ip;
  return members.find(({ name, peerUrls }) => name === node || (name === "" && peerUrls.some(isAt)));
}

/**
 * The member of this node, when it goes: the one that it has recorded, else the one at its address, which has no name when this node's join
 * was cut off. Never that of another host which has taken this one's place under its name.
 */
export function memberToLeave(
  members: readonly Member[],
  { ctx, record }: { ctx: Pick<Ctx, "node" | "config">; record: MemberRecord | undefined },
): Member | undefined {
  const here = ({ peerUrls }: Member) => peerUrls.includes(ownPeerUrl(ctx));
  return (
    (record && members.find(({ id }) => id === record.id)) ??
    members.find((one) => here(one) && (one.name === "" || (!record && one.name === ctx.node.name)))
  );
}

/** @throws AppError that says what would follow, when the others would have no majority without this member */
export async function expectQuorumWithout(
  member: Member,
  { etcd, members }: { etcd: EtcdClient; members: readonly Member[] },
): Promise<void> {
  const why = member.learner ? undefined : whyNotRemove(await lookAt(members, { etcd }), member.id);
  if (!why) return;
  throw new AppError(`Cannot remove the etcd member "${member.name || member.id}": ${why}`, {
    hint: "bring the other masters up first: nodelet etcd status shows them",
  });
}

/**
 * Removes the member of a node, under the lock.
 *
 * @param options `what`: what this is, for those who wait, as the end of a sentence: `is leaving`; `waitMs`: for
 * others who hold the lock; `find`: which one it is, by default that of the node and its address; `before`: done once, under the lock, when
 * nothing stands in the way any more
 * @returns false when the node has no member (any more)
 * @throws AppError when the others would have no majority without it
 */
export async function removeMember(
  ctx: Pick<Ctx, "node" | "clock" | "signal" | "log">,
  {
    etcd,
    node,
    ip,
    what,
    find = (members) => memberOfNode(members, { node, ...(ip !== undefined && { ip }) }),
    before,
    ...rest
  }: MemberNode & {
    etcd: EtcdClient;
    what: string;
    find?: (members: readonly Member[]) => Member | undefined;
    before?: () => Promise<void>;
    say?: Say;
    waitMs?: number;
  },
): Promise<boolean> {
  if (!find(await etcd.members())) return false;
  const lock = await takeMemberLock(ctx, { etcd, what, ...rest });
  let removed = false;
  let prepared = false;
  const attempt = async () => {
    const members = await etcd.members();
    const member = find(members);
    if (!member) return { value: removed };
    await expectQuorumWithout(member, { etcd, members });
    if (!prepared) await before?.();
    prepared = true;
    await lock.check();
    removed = true;
    await etcd.remove(member.id);
    return { missing: `"${node}" is still a member`, progress: "removed" };
  };
  try {
    return await until(
      () =>
        attempt().catch((error: unknown) => {
          // What came before may have taken longer than etcd is waited for.
          if (isPassing(error)) return { missing: error.message, progress: `prepared: ${prepared}` };
          throw error;
        }),
      {
        action: `remove the etcd member "${node}"`,
        timeoutMs: REMOVE_MS,
        everyMs: 500,
        clock: ctx.clock,
        signal: ctx.signal,
        ...(rest.say && { say: rest.say }),
        hint: "nodelet etcd status shows the members",
      },
    );
  } finally {
    await lock.release();
  }
}

/** How long a master that goes waits for others, in milliseconds: it can be removed by another one later. */
const LEAVE_MS = 20_000;

/**
 * Takes this node's own member out of the cluster of others, while it can. The last master has nobody to leave.
 *
 * @param options `etcd`: the other members, as this one ends when it is removed; `before`: done under the lock, when nothing stands in the way
 * @returns false when there is nothing (any more) that it could leave
 * @throws AppError when it cannot; the way out is another master's
 */
export async function leaveMembers(
  ctx: Ctx,
  { etcd, ...rest }: { say?: Say; etcd?: EtcdClient; before?: () => Promise<void> } = {},
): Promise<boolean> {
  const others = etcd ? [] : await endpointsBeside(ctx);
  if (!etcd && others.length === 0) return false;
  const client = etcd ?? etcdClient(ctx, others);
  const record = await readRecord(ctx).catch(() => undefined);
  const find = (members: readonly Member[]) => {
    const own = memberToLeave(members, { ctx, record });
    return own && members.some((member) => member !== own && !member.learner) ? own : undefined;
  };
  const common = { etcd: client, node: ctx.node.name, what: "is leaving", waitMs: LEAVE_MS };
  return await removeMember(ctx, { ...common, find, ...rest });
}

/** The client URLs of the others: of the masters that this node knows, and of the members that any of them, or its own, knows. */
async function endpointsBeside(ctx: Ctx): Promise<string[]> {
  const masters = await otherEndpoints(ctx);
  const all = etcdClient(ctx, [clientUrl("127.0.0.1", ctx), ...masters]);
  const members = await all.knownMembers().catch((): Member[] => []);
  const others = members.filter(({ peerUrls }) => !peerUrls.includes(ownPeerUrl(ctx)));
  return [...new Set([...masters, ...others.flatMap(({ clientUrls }) => clientUrls)])];
}
