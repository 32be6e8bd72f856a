import { formatCidr, overlaps, parseCidr, subnets } from "../config/net.ts";
import { JoinRefusal, type RefusalCode } from "./refusal.ts";
import type { JoinState, NodeRecord, NodeRole, TokenRecord } from "./state.ts";
import { isSecretOf } from "./token.ts";

/** A token as a joiner presents it. */
export interface Presented {
  id: string;
  secret: string;
}

/** A host that wants to be a node. */
export interface Candidate {
  name: string;
  ip: string;
  machineId: string;
  /** sha256 of the public key that it will be known by, hex. */
  key: string;
  /** Address that it is seen at, which it cannot choose. */
  from: string;
}

/** A node of the cluster as the API has it. */
export interface KnownNode {
  name: string;
  ip: string | undefined;
  podCidr: string | undefined;
  role: NodeRole;
  machineId: string | undefined;
  /** It was proven that nothing of it runs any more. */
  down: boolean;
}

/**
 * Judges a token alone.
 *
 * @returns its record
 * @throws JoinRefusal saying why it does not open the door. An unknown id and a wrong secret are told in the same words: who guesses learns
 * nothing
 */
export function judgeToken(
  state: JoinState,
  { presented, now }: { presented: Presented; now: number },
): TokenRecord {
  const token = state.tokens.find(({ id }) => id === presented.id);
  // Compared in any case, so that the time does not tell whether there is such a token.
  const fits = isSecretOf(token?.hash ?? "00".repeat(32), presented.secret);
  if (!token || !fits) {
    throw new JoinRefusal("TokenUnknown", `The token "${presented.id}" is not one of this cluster`, {
      hint: "make a new one on a master: nodelet token create",
    });
  }
  if (token.revoked) throw over(token, { why: "TokenRevoked", what: "was revoked" });
  if (token.expires <= now)
    throw over(token, { why: "TokenExpired", what: `expired at ${new Date(token.expires).toISOString()}` });
  return token;
}

function over(token: TokenRecord, { why, what }: { why: RefusalCode; what: string }) {
  return new JoinRefusal(why, `The token "${token.id}" ${what}`, {
    hint: `make a new one on a master: nodelet token create --role ${token.role}`,
  });
}

/** What a host is admitted with. */
export interface Admission {
  state: JoinState;
  node: NodeRecord;
  /** It was admitted before, and comes again. */
  again: boolean;
}

/**
 * Admits a host, or refuses it. Pure: the same state and the same host, the same answer. A host that was admitted with the same key
 * comes again after an interruption, and is not counted a second time.
 *
 * @throws JoinRefusal in words for the operator of the host
 */
export function admit(
  state: JoinState,
  call: {
    presented: Presented;
    role: NodeRole;
    candidate: Candidate;
    /** All nodes, those that never joined among them. */
    known: readonly KnownNode[];
    now: number;
    /** Where blocks for pods are taken from. */
    blocks: { containersCidr: string; nodeCidrMask: number };
  },
): Admission {
  const { presented, role, candidate, known, now } = call;
  const token = judgeToken(state, { presented, now });
  if (token.role !== role) {
    throw new JoinRefusal(
      "TokenRole",
      `The token "${token.id}" is for a ${token.role}, and not for a ${role}`,
      {
        hint: `make one on a master: nodelet token create --role ${role}`,
      },
    );
  }
  const before = state.nodes.find(({ name }) => name === candidate.name);
  const again = isSameHost(before, { candidate, role });
  refuseTaken({ candidate, role, again, nodes: allNodes(known, state.nodes) });
  // A key alone is no node: with it others could come under more names, or one that was removed.
  const isCounted = again && token.used.includes(candidate.key);
  if (!isCounted && token.used.length >= token.uses) {
    throw over(token, { why: "TokenUsedUp", what: `was used ${token.used.length} of ${token.uses} times` });
  }
  const replaced = known.find(({ name }) => name === candidate.name);
  const { name, ip, machineId, key } = candidate;
  const node: NodeRecord = {
    name,
    ip,
    machineId,
    key,
    role,
    podCidr: (again ? before?.podCidr : replaced?.podCidr) ?? freeBlock(state, call),
    token: token.id,
    joined: (again ? before?.joined : undefined) ?? now,
  };
  const tokens = state.tokens.map((one) =>
    one.id === token.id && !isCounted ? { ...one, used: [...one.used, candidate.key] } : one,
  );
  const nodes = [...state.nodes.filter(({ name }) => name !== node.name), node];
  // Who had the name before is told when it comes back.
  const replacedBy = before && before.key !== key ? [{ name, key: before.key, at: now }] : [];
  return { state: { tokens, nodes, removed: [...state.removed, ...replacedBy] }, node, again };
}

/** The host that was admitted under this name: same key, same role, same machine. */
function isSameHost(
  before: NodeRecord | undefined,
  { candidate, role }: { candidate: Candidate; role: NodeRole },
): boolean {
  return before?.key === candidate.key && before.role === role && before.machineId === candidate.machineId;
}

/** A node that others may not pass for. */
type Standing = KnownNode & { joining: boolean };

/** The nodes that the API has, and those that were admitted and are not there yet. */
function allNodes(known: readonly KnownNode[], records: readonly NodeRecord[]): Standing[] {
  const joining = records.filter(({ name }) => !known.some((node) => node.name === name));
  return [
    ...known.map((node) => ({ ...node, joining: false })),
    ...joining.map((record) => ({ ...record, down: false, joining: true })),
  ];
}

/** A name, an address and a machine belong to one node; that of a node that is down for good may be taken over. */
function refuseTaken(call: {
  candidate: Candidate;
  role: NodeRole;
  again: boolean;
  nodes: readonly Standing[];
}): void {
  const { candidate, role, again, nodes } = call;
  const same = nodes.find(({ name }) => name === candidate.name);
  if (same && !again) refuseName(same, { candidate, role });
  const remove = (name: string) => `, or remove it on a master: nodelet node remove ${name}`;
  const others = nodes.filter(({ name }) => name !== candidate.name);
  const sameAddress = others.find(({ ip }) => ip === candidate.ip);
  if (sameAddress && !sameAddress.down) {
    throw new JoinRefusal(
      "AddressTaken",
      `The address ${candidate.ip} is that of the node "${sameAddress.name}"`,
      {
        hint: `choose another with --node-ip${remove(sameAddress.name)}`,
      },
    );
  }
  const sameMachine = others.find(({ machineId }) => machineId === candidate.machineId);
  if (sameMachine) {
    throw new JoinRefusal(
      "MachineTaken",
      `This host and the node "${sameMachine.name}" have the same /etc/machine-id`,
      {
        hint: `on a copy of a disk make a new one: rm /etc/machine-id; systemd-machine-id-setup; reboot${remove(sameMachine.name)}`,
      },
    );
  }
}

/** The host itself, which was reset and comes again, is not in its own way; nor is a node that is down, in the same role. */
function refuseName(same: Standing, { candidate, role }: { candidate: Candidate; role: NodeRole }): void {
  const { machineId, ip, from } = candidate;
  // Every node can read the machine-id of another; it cannot have its address as well.
  const isItself = same.machineId === machineId && same.ip === ip && from === ip;
  const hint = `give this host another name with --node-name, or remove it on a master: nodelet node remove ${same.name}`;
  if (!same.down && !isItself) {
    const how = same.joining ? "is joining" : "lives";
    throw new JoinRefusal(
      "NameTaken",
      `There is a node "${same.name}" already (${same.ip ?? "no address"}), and it ${how}`,
      { hint },
    );
  }
  if (same.role === role) return;
  throw new JoinRefusal(
    "NameTaken",
    `The node "${same.name}" was a ${same.role}; this host is to be a ${role}`,
    { hint },
  );
}

function freeBlock(
  state: JoinState,
  {
    known,
    blocks,
  }: { known: readonly KnownNode[]; blocks: { containersCidr: string; nodeCidrMask: number } },
): string {
  const taken = [...known, ...state.nodes].flatMap(({ podCidr }) => parseCidr(podCidr ?? "") ?? []);
  for (const block of subnets(blocks.containersCidr, blocks.nodeCidrMask)) {
    if (!taken.some((one) => overlaps(one, block))) return formatCidr(block);
  }
  throw new JoinRefusal(
    "NoBlockLeft",
    `All blocks of ${blocks.containersCidr} (/${blocks.nodeCidrMask}) have a node`,
    {
      hint: "remove nodes that are gone, on a master: nodelet node remove NAME",
    },
  );
}
