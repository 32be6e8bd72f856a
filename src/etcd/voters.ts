import { parseAddress } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import type { Peer } from "../peers.ts";
import { type EtcdClient, etcdClient, type Member } from "./client.ts";
import { allEndpoints } from "./member.ts";
import { lookAt } from "./quorum.ts";

/** A member that is busy, or starts anew, misses one question; one that is down misses all. Milliseconds. */
const LOOKS = 4;
const BETWEEN_MS = 1_000;

/** What asking etcd needs. */
type VoterCtx = Pick<Ctx, "host" | "node" | "config" | "paths" | "signal">;

/** The other masters as etcd has them; undefined when it does not answer. Only masters may ask it: a worker learns of none. */
export async function otherVoters(ctx: VoterCtx): Promise<Peer[] | undefined> {
  if (ctx.config.role !== "master") return [];
  try {
    const members = await etcdClient(ctx, await allEndpoints(ctx)).members();
    return mastersOf(members).filter(({ name }) => name !== ctx.node.name);
  } catch {
    return undefined;
  }
}

/** The masters that members with a vote are; one that never started has no name. */
export function mastersOf(members: readonly Member[]): Peer[] {
  return members.flatMap(({ name, peerUrls, learner }) => {
    const ip = peerUrls.map((url) => new URL(url).hostname).find((host) => parseAddress(host)?.family === 4);
    return learner || name === "" || ip === undefined ? [] : [{ name, ip, master: true }];
  });
}

/** The masters whose members do not answer; none where etcd cannot be asked. */
export async function silentVoters(ctx: VoterCtx & Pick<Ctx, "clock">): Promise<Peer[]> {
  if (ctx.config.role !== "master") return [];
  try {
    const etcd = etcdClient(ctx, await allEndpoints(ctx));
    return mastersOf(await stillSilent(await etcd.members(), { ...ctx, etcd }));
  } catch {
    return [];
  }
}

/** Members that answer to no question of several. */
export async function stillSilent(
  members: readonly Member[],
  { etcd, clock, signal }: Pick<Ctx, "clock" | "signal"> & { etcd: EtcdClient },
): Promise<Member[]> {
  let silent = members;
  for (let look = 0; look < LOOKS && silent.length > 0; look++) {
    if (look > 0) await clock.sleep(BETWEEN_MS, signal);
    silent = (await lookAt(silent, { etcd })).filter(({ status }) => !status);
  }
  return [...silent];
}
