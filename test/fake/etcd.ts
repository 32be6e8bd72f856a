import type { Claimed, EtcdClient, Member, MemberStatus } from "../../src/etcd/client.ts";
import { EtcdError } from "../../src/etcd/wire.ts";

/** A member as the fake cluster has it. */
export interface FakeMember extends Member {
  /** It runs, and answers at its URLs. */
  up: boolean;
  /** How far its data is. */
  index: number;
}

/** An etcd cluster in memory, seen by every node that gets its `client`. */
export interface FakeEtcd {
  readonly members: FakeMember[];
  /** How far the leader is. */
  index: number;
  /** What was changed, in order, for example `remove 2`. */
  readonly calls: string[];
  /** Called before a change; what it throws is what the caller gets. */
  before: ((call: string) => void) | undefined;
  /** Ids of members that others have a connection with. */
  readonly connected: Set<string>;
  /** Keys that are there. */
  readonly keys: Map<string, Claimed>;
  client(): EtcdClient;
  /** Adds a voter that is up. */
  voter(name: string, ip: string): FakeMember;
  accepts(address: { host: string; port: number }): Promise<boolean>;
}

const OF_A_MAJORITY = "No etcd member answers with a majority behind it";

/** Makes a cluster without members. */
export function fakeEtcd(): FakeEtcd {
  let ids = 0;
  let leases = 0;
  const alive = new Set<string>();
  const etcd: FakeEtcd = {
    members: [],
    index: 100,
    calls: [],
    before: undefined,
    connected: new Set(),
    keys: new Map(),
    voter(name, ip) {
      const member = {
        id: String(++ids),
        name,
        peerUrls: [`https://${ip}:2380`],
        clientUrls: [`https://${ip}:2379`],
        learner: false,
        up: true,
        index: etcd.index,
      };
      etcd.members.push(member);
      return member;
    },
    accepts: async ({ host, port }) =>
      etcd.members.some(({ up, peerUrls }) => up && peerUrls.includes(`https://${host}:${port}`)),
    client: () => ({
      async members() {
        majority();
        return shown();
      },
      knownMembers: async () => shown(),
      async addLearner(url) {
        change(`add ${url}`);
        if (etcd.members.some(({ learner }) => learner)) refuse("too many learner members in cluster");
        if (etcd.members.some(({ peerUrls }) => peerUrls.includes(url))) refuse("Peer URLs already exists");
        etcd.calls.push(`add ${url}`);
        const learner = { name: "", clientUrls: [], learner: true, up: false, index: 0 };
        etcd.members.push({ id: String(++ids), peerUrls: [url], ...learner });
        return { id: String(ids), clusterId: "7" };
      },
      async promote(id) {
        change(`promote ${id}`);
        const member = must(id);
        if (!member.up || member.index < 0.9 * etcd.index)
          refuse("can only promote a learner member which is in sync with leader");
        etcd.calls.push(`promote ${id}`);
        member.learner = false;
      },
      async remove(id) {
        change(`remove ${id}`);
        const at = etcd.members.indexOf(must(id));
        etcd.calls.push(`remove ${id}`);
        etcd.members.splice(at, 1);
      },
      status: async (url) => statusOf(etcd, url),
      healthy: async (url) => statusOf(etcd, url) !== undefined && hasMajority(),
      connectedWith: async (id) =>
        etcd.connected.has(id) ? etcd.members.find(({ up }) => up)?.clientUrls[0] : undefined,
      async grant() {
        majority();
        alive.add(String(++leases));
        return String(leases);
      },
      keepAlive: async (lease) => alive.has(lease),
      async revoke(lease) {
        alive.delete(lease);
        for (const [key, claimed] of etcd.keys) if (claimed.lease === lease) etcd.keys.delete(key);
      },
      async claim(key, wanted) {
        majority();
        const there = etcd.keys.get(key);
        if (!there) etcd.keys.set(key, wanted);
        return there;
      },
    }),
  };
  const shown = () => etcd.members.map(({ up: _up, index: _index, ...member }) => structuredClone(member));
  const hasMajority = () => {
    const voters = etcd.members.filter(({ learner }) => !learner);
    return voters.filter(({ up }) => up).length > voters.length / 2;
  };
  const majority = () => {
    if (!hasMajority()) throw new EtcdError(OF_A_MAJORITY, "unreachable");
  };
  const refuse = (words: string) => {
    throw new EtcdError(`etcd at "10.0.0.5:2379" refused: ${words}`, "refused");
  };
  const must = (id: string): FakeMember => {
    const found = etcd.members.find((member) => member.id === id);
    return found ?? (refuse("member not found") as never);
  };
  const change = (call: string) => {
    etcd.before?.(call);
    majority();
  };
  return etcd;
}

function statusOf(etcd: FakeEtcd, url: string): MemberStatus | undefined {
  const member = etcd.members.find(({ up, clientUrls }) => up && clientUrls.includes(url));
  if (!member) return undefined;
  return {
    id: member.id,
    version: "3.4.23",
    leader: etcd.members.find(({ up, learner }) => up && !learner)?.id,
    raftIndex: member.index,
    appliedIndex: member.index,
    dbSize: 4096,
    dbSizeInUse: 2048,
    learner: member.learner,
    errors: [],
  };
}
