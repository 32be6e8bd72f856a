import { AppError, codeOf } from "../errors.ts";
import { type Host, readRequired } from "../host/host.ts";
import { paths } from "../paths.ts";

/** What a member answers: its words, as JSON. */
export type Answer = Record<string, unknown>;

/** One request to the gateway of one member. */
export interface WireRequest {
  /** `https://10.0.0.5:2379` */
  endpoint: string;
  /** For example `/v3/cluster/member/list`. */
  path: string;
  /** Sent by POST; GET when absent. */
  body?: unknown;
  timeoutMs: number;
}

/** A member did not do what was asked. */
export class EtcdError extends AppError {
  override name = "EtcdError";

  constructor(
    message: string,
    /** `unreachable`: nobody answered, or nobody who has a majority behind him; `refused`: etcd said no. */
    readonly reason: "unreachable" | "refused",
  ) {
    super(message, reason === "unreachable" ? { hint: "see docker logs etcd on the masters" } : {});
  }
}

/** Codes of gRPC with which a member says that another one, or a later moment, may do better. */
const TRANSIENT = new Set([4, 14]);
const PASSING = /unhealthy cluster|not enough started members|too many learner|already exists|not found/;
/** What a member says that has no vote yet. */
const LEARNER = "rpc not supported for learner";

/**
 * True for what a later attempt may change: nobody answered, or etcd is not ready for the next change of its members, as it is
 * for some seconds after the last one and after every new leader.
 */
export function isPassing(error: unknown): error is EtcdError {
  if (!(error instanceof EtcdError)) return false;
  return error.reason === "unreachable" || PASSING.test(error.message);
}

/** Sends requests to members on mutual TLS, as the health certificate of this node. */
export interface Wire {
  /** What is not JSON, as it is. @throws EtcdError for silence */
  text(request: WireRequest): Promise<string>;
  /** @throws EtcdError for silence and for a refusal */
  ask(request: WireRequest): Promise<Answer>;
}

/**
 * A wire that reads the certificate when first used. A master that joins has issued it by itself: it holds etcd's authority.
 */
export function etcdWire({ host, signal }: { host: Host; signal: AbortSignal }): Wire {
  let credentials: Promise<{ ca: string; cert: string; key: string }> | undefined;
  const send = async ({ endpoint, path, body, timeoutMs }: WireRequest) => {
    credentials ??= readCredentials(host).catch((error) => {
      credentials = undefined;
      throw error;
    });
    const tls = await credentials;
    try {
      const response = await fetch(`${endpoint}${path}`, {
        method: body === undefined ? "GET" : "POST",
        tls,
        // A new connection each time: members come and go while we watch.
        keepalive: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { ok: response.ok, status: response.status, text: await response.text() };
    } catch (error) {
      const what = codeOf(error) ?? (error instanceof Error ? error.name : "unknown");
      throw new EtcdError(`etcd at "${new URL(endpoint).host}" does not answer: ${what}`, "unreachable");
    }
  };
  return {
    text: async (request) => (await send(request)).text,
    async ask(request) {
      const { ok, status, text } = await send(request);
      const found = parse(text);
      if (ok && found) return found;
      throw refusal(found ?? {}, { ...request, status });
    },
  };
}

function parse(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}

async function readCredentials(host: Host) {
  const [ca = "", cert = "", key = ""] = await Promise.all(
    ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"].map((name) =>
      readRequired(host, `${paths.certs}/etcd/${name}`),
    ),
  );
  return { ca, cert, key };
}

function refusal(found: Answer, details: { endpoint: string; path: string; status: number }): EtcdError {
  const { endpoint, path, status } = details;
  const words = String(found["message"] ?? found["error"] ?? status).replace(/^etcdserver: /, "");
  const another = TRANSIENT.has(Number(found["code"])) && !words.startsWith("unhealthy cluster");
  return new EtcdError(
    `etcd at "${new URL(endpoint).host}" refused ${path.replace("/v3/", "")}: ${words}`,
    another || words.includes(LEARNER) ? "unreachable" : "refused",
  );
}
