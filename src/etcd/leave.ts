import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import type { Say } from "../runner/phase.ts";
import { until } from "../runner/wait.ts";
import { clientUrl, type EtcdClient, etcdClient, type Member } from "./client.ts";
import { takeMemberLock } from "./lock.ts";
import { otherEndpoints } from "./member.ts";
import { lookAt, whyNotRemove } from "./quorum.ts";
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
 * others who hold the lock
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
    ...rest
  }: MemberNode & { etcd: EtcdClient; what: string; say?: Say; waitMs?: number },
): Promise<boolean> {
  const whose = { node, ...(ip !== undefined && { ip }) };
  if (!memberOfNode(await etcd.members(), whose)) return false;
  const lock = await takeMemberLock(ctx, { etcd, what, ...rest });
  let removed = false;
  const attempt = async () => {
    const members = await etcd.members();
    const member = memberOfNode(members, whose);
    if (!member) return { value: removed };
    await expectQuorumWithout(member, { etcd, members });
    await lock.check();
    removed = true;
    await etcd.remove(member.id);
    return { missing: `"${node}" is still a member` };
  };
  try {
    return await until(
      () =>
        attempt().catch((error: unknown) => {
          if (isPassing(error)) return { missing: error.message };
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
 * @param options `etcd`: the other members first, as this one ends when it is removed
 * @throws AppError when it cannot; the way out is another master's
 */
export async function leaveMembers(
  ctx: Ctx,
  { say, etcd }: { say?: Say; etcd?: EtcdClient } = {},
): Promise<boolean> {
  const others = await otherEndpoints(ctx);
  if (others.length === 0) return false;
  const client = etcd ?? etcdClient(ctx, [...others, clientUrl("127.0.0.1", ctx)]);
  const common = { etcd: client, node: ctx.node.name, what: "is leaving", waitMs: LEAVE_MS };
  return await removeMember(ctx, { ...common, ...(say && { say }) });
}
