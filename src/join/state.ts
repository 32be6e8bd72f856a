/** What the masters know in common about joining. One object of the API, so that a change is made as a whole or not at all. */
export interface JoinState {
  tokens: TokenRecord[];
  nodes: NodeRecord[];
  /** Nodes that were taken out, so that one which was off is told when it comes back. */
  removed: RemovedRecord[];
}

/** What a node may be. */
export type NodeRole = "master" | "worker";

/** A token as the masters keep it. Times are milliseconds since the epoch. */
export interface TokenRecord {
  id: string;
  /** Digest of its secret. */
  hash: string;
  role: NodeRole;
  created: number;
  expires: number;
  /** How many nodes may join with it. */
  uses: number;
  /** Who has joined with it: keys of nodes, each counted once. */
  used: string[];
  revoked?: boolean;
}

/** A node that has joined. */
export interface NodeRecord {
  name: string;
  ip: string;
  role: NodeRole;
  podCidr: string;
  /** Content of /etc/machine-id. */
  machineId: string;
  /** sha256 of the public key of its kubelet's client certificate, hex: who it is from now on. */
  key: string;
  /** Id of the token that it came with. */
  token: string;
  joined: number;
}

/** A node that was taken out of the cluster. */
export interface RemovedRecord {
  name: string;
  /** As in its {@linkcode NodeRecord}. */
  key: string;
  at: number;
}

/** Nobody has joined, and nobody may. */
export const EMPTY_STATE: JoinState = { tokens: [], nodes: [], removed: [] };

/** A token that is over is kept this long, so that who comes late with it is told why; in milliseconds. */
const REMEMBERED_MS = 7 * 86_400_000;

/** A node that was taken out is remembered for longer than any certificate of it is good: a year, and a month. */
const REMOVED_MS = 396 * 86_400_000;

/** The state without what is long over. */
export function withoutOld({ tokens, nodes, removed }: JoinState, now: number): JoinState {
  return {
    tokens: tokens.filter(({ expires }) => expires + REMEMBERED_MS > now),
    nodes,
    removed: removed.filter(({ at }) => at + REMOVED_MS > now),
  };
}
