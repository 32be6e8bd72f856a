import type { Ctx } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { otherMasters } from "../peers.ts";
import { type EtcdClient, etcdClient, type Member } from "./client.ts";
import { memberToLeave } from "./leave.ts";
import { allEndpoints } from "./member.ts";
import { hasVote } from "./own.ts";
import { lookAt, whyNotRemove } from "./quorum.ts";
import { readRecord } from "./record.ts";

/** How this master stands to the others of its etcd, when it is to go. */
export type Standing =
  /** `alone`: nobody else has a vote; `out`: it is not in the list of members (any more); `member`: it may leave. */
  | { is: "alone" | "out" | "member" }
  /** Without it the others have no majority, or nobody can tell that they have one. */
  | { is: "needed"; why: string };

/** An election, as there is one when the leader has just left, is over by then. In milliseconds. */
const PATIENCE_MS = 8_000;

/**
 * Looks how this master stands to the others. Nothing is changed, and what keeps it from being known is part of the answer.
 *
 * @param options `patient`: looks for some seconds before it says that the others need this one
 */
export async function standingOf(
  ctx: Ctx,
  { etcd, patient = true }: { etcd?: EtcdClient; patient?: boolean } = {},
): Promise<Standing> {
  const client = etcd ?? etcdClient(ctx, await allEndpoints(ctx));
  const end = ctx.clock.monotonic() + (patient ? PATIENCE_MS : 0);
  for (;;) {
    const found = await look(ctx, client);
    if (found.is !== "needed" || ctx.clock.monotonic() >= end) return found;
    await ctx.clock.sleep(500, ctx.signal);
  }
}

async function look(ctx: Ctx, etcd: EtcdClient): Promise<Standing> {
  const record = await readRecord(ctx).catch(() => undefined);
  const members = await etcd.members().catch((error: unknown) => messageOf(error));
  if (typeof members === "string") return await unheard(ctx, { etcd, why: members });
  const own = memberToLeave(members, { ctx, record });
  if (!own) return { is: "out" };
  if (votersBeside(members, own).length === 0) return { is: "alone" };
  const why = own.learner ? undefined : whyNotRemove(await lookAt(members, { etcd }), own.id);
  return why ? { is: "needed", why } : { is: "member" };
}

/** Without a majority only what is remembered tells: in other members, and on this host. */
async function unheard(ctx: Ctx, { etcd, why }: { etcd: EtcdClient; why: string }): Promise<Standing> {
  const record = await readRecord(ctx).catch(() => undefined);
  const known = await etcd.knownMembers().catch((): Member[] => []);
  const own = memberToLeave(known, { ctx, record });
  // Both the cluster said so, to this node, and what is left of the cluster.
  if (known.length > 0 && !own && (await ctx.host.exists(ctx.paths.removed))) return { is: "out" };
  const masters = (await otherMasters(ctx)).map(({ name }) => name);
  const others = [...new Set([...masters, ...votersBeside(known, own).map(({ name }) => name)])].sort();
  if (others.length === 0) return { is: "alone" };
  if (own ? own.learner : !(await hasVote(ctx))) return { is: "member" };
  const beside = others.map((name) => `"${name}"`).join(", ");
  return { is: "needed", why: `it has a vote in etcd beside ${beside}, and no majority answers (${why})` };
}

const votersBeside = (members: readonly Member[], own: Member | undefined) =>
  members.filter((member) => member !== own && !member.learner);
