import type { Ctx } from "../ctx.ts";
import { interrupted } from "../runner/wait.ts";
import { type Answer, EtcdError, etcdWire, type Wire } from "./wire.ts";

/** A member of the etcd cluster. */
export interface Member {
  /** 64 bits, as a decimal number. */
  id: string;
  /** Empty until the member has started. */
  name: string;
  peerUrls: string[];
  /** Empty until the member has started. */
  clientUrls: string[];
  /** It has no vote yet. */
  learner: boolean;
}

/** What one member says of itself. */
export interface MemberStatus {
  id: string;
  version: string;
  /** Id of the leader; undefined while there is none. */
  leader: string | undefined;
  /** How far the log is that it has, and how far what it has made of it. */
  raftIndex: number;
  appliedIndex: number;
  /** Bytes of the data base on the disk, and how many of them are in use. */
  dbSize: number;
  dbSizeInUse: number;
  learner: boolean;
  /** For example `NOSPACE`. */
  errors: string[];
}

/** A key that somebody took before, and the lease that it lives by. */
export interface Claimed {
  value: string;
  lease: string;
}

/** etcd's cluster, maintenance and lease services, as far as nodelet uses them. */
export interface EtcdClient {
  /** The members as a majority knows them. @throws EtcdError when nobody answers who has a majority behind him */
  members(): Promise<Member[]>;
  /** The members as the first who answers knows them, which may be of yesterday. */
  knownMembers(): Promise<Member[]>;
  /** Adds a member without a vote. @returns its id, and the id of the cluster */
  addLearner(peerUrl: string): Promise<{ id: string; clusterId: string }>;
  promote(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** What the member at a client URL says of itself, or undefined when it does not answer. */
  status(url: string): Promise<MemberStatus | undefined>;
  /** True when the member at a client URL can read with a majority behind it. */
  healthy(url: string): Promise<boolean>;
  /** Which endpoint has a connection with a member now, or undefined when none has. */
  connectedWith(id: string): Promise<string | undefined>;
  /** Seconds → the id of a lease. */
  grant(ttlSeconds: number): Promise<string>;
  /** Begins a lease's time anew. @returns false when it is over */
  keepAlive(lease: string): Promise<boolean>;
  /** Ends a lease, and the keys that live by it; works after Ctrl-C too. */
  revoke(lease: string): Promise<void>;
  /** Writes a key unless it is there. @returns what is there instead */
  claim(key: string, wanted: Claimed): Promise<Claimed | undefined>;
}

const READ_MS = 2_000;
/** etcd itself gives up after five seconds and an election. */
const WRITE_MS = 8_000;

/** Key that nobody needs to have written: reading it proves that there is a majority. */
const ANY_KEY = base64("nodelet/majority");

/** An id as etcd itself writes it. */
export function hexId(id: string): string {
  return BigInt(id).toString(16);
}

/** URL at which members are reached by clients. */
export function clientUrl(ip: string, { config }: Pick<Ctx, "config">): string {
  return `https://${ip}:${config.etcdClientPort}`;
}

/**
 * A client of the cluster behind these endpoints. Reads ask all at once and take the first answer; writes ask one after the
 * other, those first who have answered before, and last those who were silent: every write would wait for them again.
 *
 * @see https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
 */
export function etcdClient(
  { host, signal }: Pick<Ctx, "host" | "signal">,
  endpoints: readonly string[],
): EtcdClient {
  const wire = etcdWire({ host, signal });
  const farewell = etcdWire({ host, signal: new AbortController().signal });
  const stop = () => {
    if (signal.aborted) throw interrupted("finish a request to etcd");
  };
  const first = async <T>(read: (endpoint: string) => Promise<T>): Promise<T> => {
    stop();
    try {
      return await Promise.any(endpoints.map(read));
    } catch (error) {
      stop();
      throw nobody(error instanceof AggregateError ? error.errors : [error]);
    }
  };
  /** Who has answered last with a majority behind him, and who has not. */
  const heard = new Map<string, boolean>();
  const rank = (endpoint: string) => ({ true: 0, undefined: 1, false: 2 })[`${heard.get(endpoint)}`];
  const hear = async <T>(endpoint: string, answer: Promise<T>): Promise<T> => {
    try {
      const found = await answer;
      heard.set(endpoint, true);
      return found;
    } catch (error) {
      heard.set(endpoint, error instanceof EtcdError && error.reason === "refused");
      throw error;
    }
  };
  const write = (path: string, body: unknown, by: Wire = wire) =>
    oneAfterTheOther(
      endpoints.toSorted((a, b) => rank(a) - rank(b)),
      {
        check: stop,
        ask: (endpoint) => hear(endpoint, by.ask({ endpoint, path, body, timeoutMs: WRITE_MS })),
      },
    );
  const list = async (endpoint: string) => {
    const answer = await wire.ask({
      endpoint,
      path: "/v3/cluster/member/list",
      body: {},
      timeoutMs: READ_MS,
    });
    return ((answer["members"] ?? []) as RawMember[]).map(memberOf);
  };
  const majority = async (endpoint: string) => {
    const request = { endpoint, path: "/v3/kv/range", body: { key: ANY_KEY }, timeoutMs: READ_MS };
    await hear(endpoint, wire.ask(request));
  };
  return {
    // The list itself is told from memory, so the member has to show first that it is up to date.
    members: () => first(async (endpoint) => majority(endpoint).then(() => list(endpoint))),
    knownMembers: () => first(list),
    async addLearner(peerUrl) {
      const answer = await write("/v3/cluster/member/add", { peerURLs: [peerUrl], isLearner: true });
      const { member, header } = answer as { member: RawMember; header: { cluster_id: string } };
      return { id: member.ID, clusterId: header.cluster_id };
    },
    promote: async (id) => void (await write("/v3/cluster/member/promote", { ID: id })),
    remove: async (id) => void (await write("/v3/cluster/member/remove", { ID: id })),
    async status(endpoint) {
      stop();
      const request = { endpoint, path: "/v3/maintenance/status", body: {}, timeoutMs: READ_MS };
      return await wire.ask(request).then(statusOf, () => undefined);
    },
    healthy: (endpoint) =>
      majority(endpoint).then(
        () => true,
        () => false,
      ),
    async connectedWith(id) {
      const line = new RegExp(`^etcd_network_active_peers\\{.*Remote="${hexId(id)}"\\} [1-9]`, "m");
      const found = endpoints.map(async (endpoint) => {
        const text = await wire.text({ endpoint, path: "/metrics", timeoutMs: READ_MS }).catch(() => "");
        return line.test(text) ? endpoint : undefined;
      });
      return (await Promise.all(found)).find((endpoint) => endpoint !== undefined);
    },
    grant: async (ttl) => String((await write("/v3/lease/grant", { TTL: ttl }))["ID"]),
    async keepAlive(lease) {
      const answer = await write("/v3/lease/keepalive", { ID: lease });
      const { TTL } = (answer["result"] ?? {}) as { TTL?: string };
      return Number(TTL ?? 0) > 0;
    },
    revoke: async (lease) => void (await write("/v3/lease/revoke", { ID: lease }, farewell)),
    async claim(key, { value, lease }) {
      const name = base64(key);
      const answer = await write("/v3/kv/txn", {
        compare: [{ target: "CREATE", key: name, createRevision: "0" }],
        success: [{ requestPut: { key: name, value: base64(value), lease } }],
        failure: [{ requestRange: { key: name } }],
      });
      return answer["succeeded"] === true ? undefined : claimedOf(answer);
    },
  };
}

async function oneAfterTheOther(
  endpoints: readonly string[],
  { ask, check }: { ask: (endpoint: string) => Promise<Answer>; check: () => void },
): Promise<Answer> {
  const errors: unknown[] = [];
  for (const endpoint of endpoints) {
    try {
      return await ask(endpoint);
    } catch (error) {
      if (!(error instanceof EtcdError) || error.reason === "refused") throw error;
      errors.push(error);
    }
  }
  check();
  throw nobody(errors);
}

/** What is not silence (a certificate that cannot be read) is told as it is. */
function nobody(errors: readonly unknown[]): unknown {
  const other = errors.find((error) => !(error instanceof EtcdError));
  if (other) return other;
  const list = errors.map((error) => (error as EtcdError).message).join("; ");
  return new EtcdError(
    `No etcd member answers with a majority behind it: ${list || "none is known"}`,
    "unreachable",
  );
}

/** As the gateway writes it: 64-bit numbers as text, and nothing for what is 0, false or empty. */
interface RawMember {
  ID: string;
  name?: string;
  peerURLs?: string[];
  clientURLs?: string[];
  isLearner?: boolean;
}

function memberOf({ ID, name, peerURLs, clientURLs, isLearner }: RawMember): Member {
  return {
    id: ID,
    name: name ?? "",
    peerUrls: peerURLs ?? [],
    clientUrls: clientURLs ?? [],
    learner: isLearner ?? false,
  };
}

function statusOf(answer: Answer): MemberStatus {
  const number = (key: string) => Number(answer[key] ?? 0);
  const leader = String(answer["leader"] ?? "0");
  return {
    id: (answer["header"] as { member_id: string }).member_id,
    version: String(answer["version"] ?? ""),
    leader: leader === "0" ? undefined : leader,
    raftIndex: number("raftIndex"),
    appliedIndex: number("raftAppliedIndex"),
    dbSize: number("dbSize"),
    dbSizeInUse: number("dbSizeInUse"),
    learner: answer["isLearner"] === true,
    errors: (answer["errors"] ?? []) as string[],
  };
}

/** Somebody's key may go between the comparison and our look at the answer; then it is nobody's, and not ours. */
function claimedOf(answer: Answer): Claimed {
  const responses = (answer["responses"] ?? []) as {
    response_range?: { kvs?: { value?: string; lease?: string }[] };
  }[];
  const found = responses[0]?.response_range?.kvs?.[0];
  return { value: Buffer.from(found?.value ?? "", "base64").toString(), lease: found?.lease ?? "0" };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
