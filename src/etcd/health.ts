import { codeOf } from "../errors.ts";
import { type Host, readRequired } from "../host/host.ts";
import { HEALTH_MS } from "../kube/health.ts";
import { paths } from "../paths.ts";

/** A member of the etcd cluster, as etcd lists it. */
export interface EtcdMember {
  ID: string;
  /** Empty until the member has started. */
  name?: string;
  peerURLs: string[];
  clientURLs?: string[];
}

/** What is wrong with etcd, or its members. */
export type EtcdHealth = { members: EtcdMember[] } | { missing: string };

/**
 * Asks the local member, with its health certificate, for its health and for the list of members.
 *
 * @returns the members when the member is healthy (it has a leader), else what is missing. Never throws for an etcd
 * that is down.
 */
export async function etcdHealth(
  host: Host,
  options: { port: number; signal: AbortSignal },
): Promise<EtcdHealth> {
  const ask = await connect(host, options);
  const health = await ask("GET", "/health");
  if ("missing" in health) return health;
  if (health.body.health !== "true") return { missing: "etcd answers, but has no leader" };
  const list = await ask("POST", "/v3/cluster/member/list");
  if ("missing" in list) return list;
  return { members: (list.body.members ?? []) as EtcdMember[] };
}

/** What a member tells of itself, in figures. */
export interface EtcdFigures {
  version: string;
  /** Members of the cluster, and how many of them have ever started. */
  members: number;
  started: number;
  /** Bytes of the data base on the disk, and how many of them are in use. */
  dbSize: number;
  dbSizeInUse: number;
}

/** Asks the local member for its figures as well. @returns them when the member is healthy, else what is missing */
export async function etcdFigures(
  host: Host,
  options: { port: number; signal: AbortSignal },
): Promise<EtcdFigures | { missing: string }> {
  const health = await etcdHealth(host, options);
  if ("missing" in health) return health;
  const ask = await connect(host, options);
  const status = await ask("POST", "/v3/maintenance/status");
  if ("missing" in status) return status;
  const { version, dbSize, dbSizeInUse } = status.body;
  return {
    version: String(version ?? ""),
    members: health.members.length,
    started: health.members.filter(({ name }) => name).length,
    // The gateway writes 64-bit numbers as text, and leaves out what is 0.
    dbSize: Number(dbSize ?? 0),
    dbSizeInUse: Number(dbSizeInUse ?? 0),
  };
}

/** What a member says that has no vote yet. */
const LEARNER = "rpc not supported for learner";

type Answer = { body: Record<string, unknown> } | { missing: string };

async function connect(host: Host, options: { port: number; signal: AbortSignal }) {
  const [ca, cert, key] = await Promise.all(
    ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"].map((name) =>
      readRequired(host, `${paths.certs}/etcd/${name}`),
    ),
  );
  const tls = { ca: ca as string, cert: cert as string, key: key as string };
  return async (method: string, path: string): Promise<Answer> => {
    try {
      const response = await fetch(`https://127.0.0.1:${options.port}${path}`, {
        method,
        tls,
        keepalive: false,
        signal: AbortSignal.any([options.signal, AbortSignal.timeout(HEALTH_MS)]),
        ...(method === "POST" && { body: "{}" }),
      });
      const body = (await response.json()) as Record<string, unknown>;
      if (response.ok) return { body };
      const isLearner = String(body["message"]).includes(LEARNER);
      return {
        missing: isLearner
          ? "etcd is a learner, without a vote"
          : `etcd answers ${response.status} on ${path}`,
      };
    } catch (error) {
      return {
        missing: `etcd does not answer on port ${options.port} (${codeOf(error) ?? (error as Error).name})`,
      };
    }
  };
}
