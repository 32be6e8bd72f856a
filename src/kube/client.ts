import { AppError, codeOf, messageOf, UnavailableError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { readRequired } from "../host/host.ts";
import { interrupted } from "../runner/wait.ts";
import { HEALTH_MS } from "./health.ts";
import { type KubeEvent, type WatchOptions, watchStream } from "./watch.ts";

/** An object of the Kubernetes API, as much of it as we look at. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    /** Counts changes of what is wanted. */
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { kind: string }[];
    deletionTimestamp?: string;
  };
  // Every kind has its own; callers narrow what they read.
  [field: string]: any;
}

/** An answer of the API server. */
export interface KubeResponse {
  status: number;
  body: KubeObject & { items?: KubeObject[]; message?: string };
}

/** The API server of this node, on mutual TLS. */
export interface Kube {
  /** Any request. The answer may be a refusal. @throws AppError when the server cannot be reached. */
  request(
    method: string,
    path: string,
    options?: { body?: unknown; contentType?: string; timeoutMs?: number },
  ): Promise<KubeResponse>;
  /** An object, or undefined when it is not there. @throws AppError on any other refusal. */
  get(path: string): Promise<KubeObject | undefined>;
  /** Items of a list. */
  list(path: string): Promise<KubeObject[]>;
  /** Creates an object, or gives the one that is there. */
  create(collection: string, object: KubeObject): Promise<KubeObject>;
  /** Server-side apply under the field manager `nodelet`. */
  apply(path: string, object: KubeObject): Promise<KubeObject>;
  /** Strategic merge patch. */
  patch(path: string, patch: unknown): Promise<KubeObject>;
  /**
   * Follows a collection from a version of it on, until the server ends the stream after these seconds.
   *
   * @throws AppError when the server cannot be reached, or does not end the stream
   */
  watch(path: string, options: WatchOptions): AsyncGenerator<KubeEvent>;
  /** True when `/readyz` says ok. Never throws. */
  ready(): Promise<boolean>;
  /** True when the server answers `/livez` with ok. Never throws. */
  live(): Promise<boolean>;
}

/** Who to talk to, and as whom. */
export interface KubeOptions {
  host: Host;
  /** For example `https://127.0.0.1:6443`. */
  server: string;
  certs: { ca: string; cert: string; key: string };
  signal: AbortSignal;
}

/** A client that reads its certificates when first used, so that it can be made before they are. */
export function kubeClient(options: KubeOptions): Kube {
  let tls: Promise<{ ca: string; cert: string; key: string }> | undefined;
  const loadTls = () => {
    tls ??= readTls(options).catch((error) => {
      tls = undefined;
      throw error;
    });
    return tls;
  };
  const request: Kube["request"] = async (method, path, { body, contentType, timeoutMs = 10_000 } = {}) => {
    const credentials = await loadTls();
    try {
      const response = await fetch(`${options.server}${path}`, {
        method,
        tls: credentials,
        // A new connection each time: the server goes up and down while we watch.
        keepalive: false,
        signal: AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]),
        ...(body !== undefined && {
          body: JSON.stringify(body),
          headers: { "content-type": contentType ?? "application/json" },
        }),
      });
      const text = await response.text();
      return { status: response.status, body: parseBody(text) };
    } catch (error) {
      throw unreachable(error, { ...options, what: `${method} ${path}` });
    }
  };
  const must = async (method: string, path: string, send?: { body: unknown; contentType: string }) => {
    const response = await request(method, path, send);
    if (response.status < 300) return response.body;
    throw refusal({ method, path, response });
  };
  const healthy = async (path: string) => {
    const response = await request("GET", path, { timeoutMs: HEALTH_MS }).catch(() => undefined);
    return response?.status === 200;
  };
  return {
    request,
    async get(path) {
      const response = await request("GET", path);
      if (response.status === 404) return undefined;
      if (response.status < 300) return response.body;
      throw refusal({ method: "GET", path, response });
    },
    list: async (path) => (await must("GET", path)).items ?? [],
    async create(collection, object) {
      const response = await request("POST", collection, { body: object });
      if (response.status === 409) return await must("GET", `${collection}/${object.metadata.name}`);
      if (response.status < 300) return response.body;
      throw refusal({ method: "POST", path: collection, response });
    },
    apply: (path, object) =>
      must("PATCH", `${path}?fieldManager=nodelet&force=true`, {
        body: object,
        contentType: "application/apply-patch+yaml",
      }),
    patch: (path, patch) =>
      must("PATCH", path, { body: patch, contentType: "application/strategic-merge-patch+json" }),
    async *watch(path, { resourceVersion, seconds }) {
      const query = `watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=${seconds}`;
      const url = `${options.server}${path}?${query}`;
      const tls = await loadTls();
      try {
        yield* watchStream({ url, tls, seconds, signal: options.signal });
      } catch (error) {
        throw unreachable(error, { ...options, what: `the watch of ${path}` });
      }
    },
    ready: () => healthy("/readyz"),
    live: () => healthy("/livez"),
  };
}

async function readTls(options: KubeOptions) {
  const { host, certs } = options;
  const [ca, cert, key] = await Promise.all([
    readRequired(host, certs.ca),
    readRequired(host, certs.cert),
    readRequired(host, certs.key),
  ]);
  return { ca, cert, key };
}

function parseBody(text: string): KubeResponse["body"] {
  try {
    return JSON.parse(text) as KubeResponse["body"];
  } catch {
    return { metadata: { name: "" }, message: text };
  }
}

function unreachable(error: unknown, request: Pick<KubeOptions, "server" | "signal"> & { what: string }) {
  if (request.signal.aborted) return interrupted(`finish ${request.what}`);
  const what = codeOf(error) ?? (error instanceof Error ? error.name : "unknown");
  return new UnavailableError(`Cannot reach the API server at "${request.server}": ${what}`, {
    hint: "see the log of the container k8s_kube-apiserver: docker ps -a; nodelet phases status",
  });
}

/** Answers of an API server that is busy, or whose etcd is: too many requests, and "request timed out" of etcd among them. */
const BUSY: ReadonlySet<number> = new Set([429, 500, 503, 504]);

function refusal(details: { method: string; path: string; response: KubeResponse }): AppError {
  const { method, path, response } = details;
  const why = response.body.message ?? messageOf(response.body);
  const Refusal = BUSY.has(response.status) ? UnavailableError : AppError;
  return new Refusal(`API server refused ${method} ${path}: ${response.status} ${why}`);
}
