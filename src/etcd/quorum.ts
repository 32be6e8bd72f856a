import type { EtcdClient, Member, MemberStatus } from "./client.ts";

/** A member, and how it is. */
export interface MemberLook extends Member {
  /** What it says of itself; undefined while it does not answer. */
  status: MemberStatus | undefined;
  /** It answers, and follows or is a leader. */
  well: boolean;
}

/** Asks every member how it is. */
export async function lookAt(
  members: readonly Member[],
  { etcd }: { etcd: EtcdClient },
): Promise<MemberLook[]> {
  return await Promise.all(
    members.map(async (member) => {
      const url = member.clientUrls[0];
      const status = url === undefined ? undefined : await etcd.status(url);
      return { ...member, status, well: status?.leader !== undefined };
    }),
  );
}

/** How many votes there are, and how many of them could be given now. */
export interface Quorum {
  voters: number;
  well: number;
  /** How many votes a change needs. */
  needed: number;
  /** How many more may fail before there is no majority; below 0 there is none. */
  mayFail: number;
}

/** Counts votes. Learners have none. */
export function quorumOf(members: readonly Pick<MemberLook, "learner" | "well">[]): Quorum {
  const voters = members.filter(({ learner }) => !learner);
  const well = voters.filter((one) => one.well).length;
  const needed = Math.floor(voters.length / 2) + 1;
  return { voters: voters.length, well, needed, mayFail: well - needed };
}

/** For example `3 voters, 3 well; 1 may fail`. */
export function quorumText({ voters, well, needed, mayFail }: Quorum): string {
  const count = `${voters} voter${voters === 1 ? "" : "s"}, ${well} well`;
  if (mayFail < 0) return `${count}; no majority: ${needed} are needed`;
  return `${count}; ${mayFail === 0 ? "none" : mayFail} may fail`;
}

/**
 * Says why a member may not go.
 *
 * @returns undefined when there is a majority without it, else what would follow
 */
export function whyNotRemove(members: readonly MemberLook[], id: string): string | undefined {
  const rest = members.filter((member) => member.id !== id);
  if (rest.every(({ learner }) => learner)) return "it is the last one with a vote";
  const { voters, well, needed } = quorumOf(rest);
  if (well >= needed) return undefined;
  return `after it ${voters} voter${voters === 1 ? "" : "s"}, of which ${well} ${well === 1 ? "is" : "are"} well: no quorum`;
}

/** The way out where voters are down, for a hint: `bring it up; if it is gone for good, on a master: nodelet node remove m3`. */
export function wayOutOf(names: readonly string[]): string {
  const [them, they] = names.length === 1 ? ["it", "it is"] : ["them", "they are"];
  return `bring ${them} up; if ${they} gone for good, on a master: ${names.map((name) => `nodelet node remove ${name}`).join("; ")}`;
}
