import type { EtcdClient } from "./client.ts";
import { hexId } from "./client.ts";
import { lookAt, type MemberLook, type Quorum, quorumOf, quorumText } from "./quorum.ts";
import { EtcdError } from "./wire.ts";

/** A member as it is shown. */
export interface MemberView {
  /** As etcd writes it, in base 16. */
  id: string;
  /** Empty until it has started. */
  name: string;
  role: "voter" | "learner";
  /** `ok`, or what is wrong. */
  health: string;
  leader: boolean;
  peerUrls: string[];
  clientUrls: string[];
  version?: string;
  /** Bytes of the data base on the disk, and how many of them are in use. */
  dbSize?: number;
  dbSizeInUse?: number;
  raftIndex?: number;
  /** How many entries of the log it is behind the first. */
  lag?: number;
}

/** The cluster in one look. */
export interface EtcdOverview {
  members: MemberView[];
  quorum: Quorum & { text: string };
  /** What an operator should know, each a sentence. */
  warnings: string[];
}

/** Asks for the members, and each of them how it is. @throws EtcdError when nobody answers at all */
export async function overviewOf(etcd: EtcdClient): Promise<EtcdOverview> {
  const members = await etcd.members().catch((error: unknown) => {
    if (error instanceof EtcdError) return etcd.knownMembers();
    throw error;
  });
  const found = await lookAt(members, { etcd });
  const ahead = Math.max(0, ...found.map(({ status }) => status?.raftIndex ?? 0));
  const quorum = quorumOf(found);
  const views = found.map((one) => viewOf(one, ahead));
  return {
    members: views.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    quorum: { ...quorum, text: quorumText(quorum) },
    warnings: warningsOf(quorum),
  };
}

function viewOf(look: MemberLook, ahead: number): MemberView {
  const { id, name, learner, peerUrls, clientUrls, status } = look;
  const base = {
    id: hexId(id),
    name,
    role: learner ? ("learner" as const) : ("voter" as const),
    health: healthOf(look),
    leader: status?.leader === id,
    peerUrls,
    clientUrls,
  };
  if (!status) return base;
  const { version, dbSize, dbSizeInUse, raftIndex } = status;
  return { ...base, version, dbSize, dbSizeInUse, raftIndex, lag: ahead - raftIndex };
}

function healthOf({ name, status }: MemberLook): string {
  if (!status) return name ? "does not answer" : "never started";
  if (!status.leader) return "has no leader";
  return status.errors.join(", ") || "ok";
}

function warningsOf({ voters, mayFail }: Quorum): string[] {
  if (mayFail < 0)
    return ["without a majority nothing can be changed in the cluster; bring the masters up that are down"];
  if (voters === 2) return [TWO_VOTERS];
  return [];
}

/** What is to be known of two masters. */
export const TWO_VOTERS =
  "two masters tolerate no failure: etcd stops when either is down; a third one makes it tolerate one failure";
