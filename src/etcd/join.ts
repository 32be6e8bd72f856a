import type { Ctx } from "../ctx.ts";
import { etcdContainer } from "../docker/etcd-container.ts";
import { AppError } from "../errors.ts";
import type { Say } from "../runner/phase.ts";
import { type Poll, until } from "../runner/wait.ts";
import { clientUrl, type EtcdClient, hexId, type Member } from "./client.ts";
import { lastWords } from "./last-words.ts";
import { type MemberLock, takeMemberLock } from "./lock.ts";
import { hasData, ownMember, ownPeerUrl, type Ways } from "./own.ts";
import { signOfLife } from "./probe.ts";
import { lookAt, wayOutOf } from "./quorum.ts";
import { type MemberRecord, readRecord, writeRecord } from "./record.ts";
import { EtcdError, isPassing } from "./wire.ts";

/** How long nothing may go forward, in milliseconds. */
const STALL_MS = 120_000;
/** How long a voter may be silent that etcd lets nobody in without; one that is starting anew answers sooner. In milliseconds. */
const SILENT_MS = 15_000;
/** How often a learner of somebody else is tried before it is given up: its data may be on the way. */
const FOREIGN_TRIES = 100;
/** How often a sign of life is looked at: connections of a host that lost its power just now are open for some seconds. */
const LIFE_TRIES = 40;

/** What one join works with, from its begin to its end. */
interface Join {
  ctx: Ctx;
  etcd: EtcdClient;
  accepts: Ways["accepts"];
  lock: MemberLock;
  /** The member that this run has added, and started. */
  added: string | undefined;
  /** How often the abandoned learner of another node could not be promoted yet. */
  tries: number;
  /** How often a member in this node's place showed a sign of life. */
  lives: number;
  /** Since when etcd lets nobody in for voters that do not answer. */
  silentSince: number | undefined;
}

/**
 * Makes this node a member, under the lock: one change at a time, each decided by what etcd and this host show at that moment.
 * So a run that was killed anywhere is completed by the next one.
 *
 * ```text
 * stale member removed → learner added → recorded → container started → caught up → promoted → recorded
 * ```
 *
 * @throws AppError when a living member has this node's name or address, when another one is down, when etcd ends, or when nothing goes
 * forward
 */
export async function joinMembers(ctx: Ctx, { etcd, accepts, say }: Ways & { say?: Say }): Promise<void> {
  const lock = await takeMemberLock(ctx, { etcd, what: "is joining", ...(say && { say }) });
  const join: Join = {
    ctx,
    etcd,
    accepts,
    lock,
    added: undefined,
    tries: 0,
    lives: 0,
    silentSince: undefined,
  };
  try {
    const members = await until(() => step(join), {
      action: "join etcd",
      timeoutMs: STALL_MS,
      everyMs: 200,
      clock: ctx.clock,
      signal: ctx.signal,
      ...(say && { say }),
      hint: "run the same command again; a master that is gone for good is removed by nodelet node remove NAME on another one",
    });
    if (members.filter(({ learner }) => !learner).length === 2)
      ctx.log.warn(
        "etcd has two voters now: it stops when either is down; a third master makes it tolerate one failure",
      );
  } finally {
    await lock.release();
  }
}

/** One look, and one change. What etcd cannot do at the moment is tried again. */
async function step(join: Join): Promise<Poll<Member[]>> {
  try {
    const members = await join.etcd.members();
    await join.lock.check();
    const found = await advance(join, members);
    join.silentSince = undefined;
    return found;
  } catch (error) {
    if (!isPassing(error)) throw error;
    if (!error.message.includes("unhealthy cluster")) return { missing: error.message };
    return { missing: await whyNotNow(join, error) };
  }
}

/**
 * etcd changes its members only while the voters are connected, and have been for five seconds.
 *
 * @throws AppError when one stays silent: there is no use in waiting for a host that is gone
 */
async function whyNotNow(join: Join, error: EtcdError): Promise<string> {
  const { ctx, etcd } = join;
  const members = await etcd.members().catch(() => undefined);
  if (!members) return error.message;
  const voters = (await lookAt(members, { etcd })).filter(({ learner }) => !learner);
  const down = voters.filter(({ well }) => !well);
  const names = down.map(({ name, id }) => name || hexId(id));
  const who = names.map((name) => `"${name}"`).join(", ");
  const why =
    down.length === 0
      ? "etcd lets the next one in some seconds after the last one"
      : `etcd lets nobody in while ${who} ${down.length === 1 ? "does" : "do"} not answer`;
  // One in this node's own place is taken out by this run.
  if (down.every((member) => isInTheWay(member, ctx))) join.silentSince = undefined;
  else join.silentSince ??= ctx.clock.monotonic();
  if (join.silentSince === undefined) return why;
  if (ctx.clock.monotonic() - join.silentSince < SILENT_MS) return why;
  throw new AppError(`Cannot join etcd: ${why}`, {
    hint: `${wayOutOf(names)}; then run the same command again`,
  });
}

async function advance(join: Join, members: readonly Member[]): Promise<Poll<Member[]>> {
  const { ctx } = join;
  const record = await readRecord(ctx);
  const data = await hasData(ctx);
  // A member without its data is not this node's any more; one that this run added may not have written any yet.
  const mine = data || join.added ? ownMember(members, { ctx, record }) : undefined;
  if (mine && !mine.learner) {
    await writeRecord(ctx, { ...(record ?? foundRecord(ctx, { mine, members })), joined: true });
    return { value: [...members] };
  }
  const stale = members.find((member) => member !== mine && isInTheWay(member, ctx));
  if (stale) return await removeStale(join, stale);
  const foreign = members.find((member) => member.learner && member !== mine);
  if (foreign) return await settleForeign(join, foreign);
  if (!mine) {
    // Nobody else takes a learner away while the lock is ours; an operator may.
    join.added = undefined;
    return data ? await dropData(join) : await add(join, members);
  }
  return await catchUp(join, { mine, members });
}

/** A member with this node's name or address, of which this node has no data. */
function isInTheWay(member: Member, ctx: Ctx): boolean {
  return member.name === ctx.node.name || isHere(member, ctx);
}

function isHere({ peerUrls }: Member, { node }: Ctx): boolean {
  return peerUrls.some((url) => new URL(url).hostname === node.ip);
}

async function removeStale(join: Join, stale: Member): Promise<Poll<Member[]>> {
  const { ctx, etcd } = join;
  // At this node's own address its own container may be what answers, with a member that is not in the list.
  if (isHere(stale, ctx)) await ctx.host.ensure({ kind: "container", name: "etcd" });
  const life = await signOfLife(stale, join);
  const name = stale.name || `without a name, ${hexId(stale.id)}`;
  if (life && ++join.lives < LIFE_TRIES) return { missing: `the member "${name}" seems to live at ${life}` };
  if (life) {
    throw new AppError(
      `Cannot join etcd: a living member "${name}" has the ${stale.name === ctx.node.name ? "name" : "address"} of this node; it answers at ${life}`,
      {
        hint: `give this node a name and an address of its own (--node-name, --node-ip), or run nodelet node remove ${ctx.node.name} on another master`,
      },
    );
  }
  await etcd.remove(stale.id);
  ctx.log.info(
    `removed the etcd member "${name}" at ${stale.peerUrls.join(", ")}: it is down, and this node takes its place`,
  );
  return { missing: `removed the dead member "${name}"`, progress: `removed ${stale.id}` };
}

/**
 * Nobody is at it, as the lock is ours; and etcd takes only one learner at a time. One that has its data, or gets it soon,
 * becomes a member.
 */
async function settleForeign(join: Join, foreign: Member): Promise<Poll<Member[]>> {
  const { ctx, etcd } = join;
  const name = foreign.name || hexId(foreign.id);
  const answers = foreign.clientUrls[0] !== undefined && (await etcd.status(foreign.clientUrls[0]));
  if (answers && (await promote(etcd, foreign))) {
    ctx.log.info(`promoted the etcd learner "${name}", whose join did not come to its end`);
    return { missing: `promoted the learner "${name}"`, progress: `promoted ${foreign.id}` };
  }
  join.tries += 1;
  if (answers && join.tries < FOREIGN_TRIES)
    return { missing: `the learner "${name}" of a join that was cut off is catching up` };
  await etcd.remove(foreign.id);
  ctx.log.warn(`removed the etcd learner "${name}", whose join did not come to its end; run that join again`);
  return { missing: `removed the abandoned learner "${name}"`, progress: `removed ${foreign.id}` };
}

/** @returns false while the learner has not caught up */
async function promote(etcd: EtcdClient, { id }: Member): Promise<boolean> {
  try {
    await etcd.promote(id);
    return true;
  } catch (error) {
    if (error instanceof EtcdError && error.message.includes("in sync with leader")) return false;
    throw error;
  }
}

/** What a member that is not in the list any more has written is of no use: a new one begins with nothing. */
async function dropData({ ctx }: Join): Promise<Poll<Member[]>> {
  await ctx.host.ensure({ kind: "container", name: "etcd" });
  await ctx.host.ensure({ kind: "emptied", path: `${ctx.config.etcdDataDir}/member` });
  ctx.log.info("removed etcd's data of a member that is not in the cluster any more");
  return { missing: "removed the data of an earlier member", progress: "dropped" };
}

/** Recorded before its first start: what has data and no record would be nobody's. */
async function add(join: Join, members: readonly Member[]): Promise<Poll<Member[]>> {
  const { ctx, etcd } = join;
  const { id, clusterId } = await etcd.addLearner(ownPeerUrl(ctx));
  const record = { id, clusterId, initialCluster: initialClusterOf(ctx, members), joined: false };
  await writeRecord(ctx, record);
  join.added = id;
  await ctx.host.ensure({ kind: "container", name: "etcd", spec: etcdContainer(ctx, record) });
  return { missing: "added as learner", progress: `added ${id}` };
}

/** The others as they are, and this node, which has no name in the list before its start. */
function initialClusterOf(ctx: Ctx, members: readonly Member[]): string {
  const others = members.filter(({ peerUrls }) => !peerUrls.includes(ownPeerUrl(ctx)));
  return [
    ...others.flatMap(({ id, name, peerUrls }) => peerUrls.map((url) => `${name || hexId(id)}=${url}`)),
    `${ctx.node.name}=${ownPeerUrl(ctx)}`,
  ].join(",");
}

/** The record of a member whose file was lost; its data say what the record would. */
function foundRecord(
  ctx: Ctx,
  { mine, members }: { mine: Member; members: readonly Member[] },
): MemberRecord {
  const initialCluster = initialClusterOf(ctx, members);
  return { id: mine.id, clusterId: ctx.node.clusterId, initialCluster, joined: false };
}

async function catchUp(
  join: Join,
  { mine, members }: { mine: Member; members: readonly Member[] },
): Promise<Poll<Member[]>> {
  const { ctx, etcd } = join;
  const container = await ctx.docker.inspect("etcd");
  if (!container?.running) {
    if (join.added) throw await ended(ctx, container?.exitCode);
    // A disk that was full, or a kill, may have left half of anything; a learner has nothing that the others have not.
    await etcd.remove(mine.id);
    return {
      missing: "beginning anew: the learner of an earlier run has ended",
      progress: `left ${mine.id}`,
    };
  }
  if (await promote(etcd, mine)) return { missing: "promoted", progress: "promoted" };
  const [own, ...others] = await Promise.all(
    [
      clientUrl(ctx.node.ip, ctx),
      ...members.flatMap(({ id, clientUrls }) => (id === mine.id ? [] : clientUrls)),
    ].map((url) => etcd.status(url)),
  );
  if (!own) return { missing: "the learner does not answer yet", progress: `started ${mine.id}` };
  const end = Math.max(own.appliedIndex, ...others.map((one) => one?.raftIndex ?? 0));
  return {
    missing: `learner is catching up: index ${own.appliedIndex} of ${end}`,
    progress: String(own.appliedIndex),
  };
}

async function ended(ctx: Ctx, exitCode: number | undefined): Promise<AppError> {
  const words = await lastWords(ctx.docker);
  const full = words.includes("no space left on device");
  return new AppError(
    full
      ? `Cannot join etcd: the file system of "${ctx.config.etcdDataDir}" is full; etcd says: ${words}`
      : `Cannot join etcd: its container ended${exitCode === undefined ? "" : ` with code ${exitCode}`}; it says: ${words}`,
    {
      hint: full
        ? `free space on the file system of ${ctx.config.etcdDataDir} and run the command again`
        : "see docker logs etcd, and run the command again",
    },
  );
}
