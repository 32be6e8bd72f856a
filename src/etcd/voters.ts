import { parseAddress } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import type { Peer } from "../peers.ts";
import { etcdClient, type Member } from "./client.ts";
import { allEndpoints } from "./member.ts";
import { lookAt } from "./quorum.ts";

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
export async function silentVoters(ctx: VoterCtx): Promise<Peer[]> {
  if (ctx.config.role !== "master") return [];
  try {
    const etcd = etcdClient(ctx, await allEndpoints(ctx));
    const members = await lookAt(await etcd.members(), { etcd });
    return mastersOf(members.filter(({ status }) => !status));
  } catch {
    return [];
  }
}
