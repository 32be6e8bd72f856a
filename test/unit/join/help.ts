import { createCsr } from "../../../certs/csr.ts";
import { ensurePki } from "../../../certs/ensure.ts";
import { issueLeaf } from "../../../certs/issue.ts";
import { generateKey, type KeyPair } from "../../../certs/keys.ts";
import { certificatesOf, type PkiParams } from "../../../certs/list.ts";
import { pkiOptions } from "../../../certs/options.ts";
import type { Ctx } from "../../../src/ctx.ts";
import { joinSigner } from "../../../src/daemon/signer.ts";
import type { KubeObject } from "../../../src/kube/client.ts";
import type { NodeIdentity } from "../../../src/join/identity.ts";
import type { JoinRequest } from "../../../src/join/protocol.ts";
import { JoinRefusal } from "../../../src/join/refusal.ts";
import { SECRET_FILES } from "../../../src/join/secret-files.ts";
import { JoinService } from "../../../src/join/service.ts";
import type { JoinState, NodeRole, TokenRecord } from "../../../src/join/state.ts";
import { changeJoinState, readJoinState } from "../../../src/join/store.ts";
import { hashOf, makeToken, type Token } from "../../../src/join/token.ts";
import type { Peer } from "../../../src/peers.ts";
import { type FakeClock, fakeClock } from "../../fake/clock.ts";
import { world, type World } from "../../fake/ctx.ts";
import type { FakeKube } from "../../fake/kube.ts";
import { spec } from "../certs/help.ts";

export const HOUR = 3_600_000;
const SECRETS = "/api/v1/namespaces/kube-system/secrets";
/** Where the masters keep what they know of joining. */
export const SECRET = `${SECRETS}/nodelet-join`;

/** A master `m1` at 10.0.0.5 with a PKI, an API in memory and a join service. */
export interface Master extends AsyncDisposable {
  w: World;
  ctx: Ctx;
  clock: FakeClock;
  service: JoinService;
  /** What it noted of joiners. */
  noted: string[];
  /** Masters whose members of etcd do not answer. */
  silent: Peer[];
  /** The cluster's authority in PEM. */
  ca: string;
  state(): Promise<JoinState>;
  /** Makes a token. */
  token(change?: Partial<TokenRecord>): Promise<Token>;
  /** A certificate of the cluster, whoever it is for. */
  issue(id: string, params?: Partial<PkiParams>, at?: number): Promise<NodeIdentity>;
  /** Everything that a refused request must leave as it was. */
  everything(): Promise<unknown>;
}

const MASTER = { config: { nodeName: "m1", nodeIp: "10.0.0.5" } };

/** A PKI takes its time, so that tests share the files of one. */
const files = makeFiles();

async function makeFiles(): Promise<Record<string, string>> {
  await using w = await world(MASTER);
  await ensurePki(w.ctx.host, { ...pkiOptions(w.ctx), now: new Date() });
  const names = SECRET_FILES.filter((path) => !path.endsWith("encryption.yaml"));
  const paths = [
    ...names,
    ...["ca.crt", "join-server.crt", "join-server.key"].map((name) => `${w.ctx.paths.certs}/${name}`),
  ];
  const read = paths.map(async (path) => [path, (await w.ctx.host.read(path)) ?? ""] as const);
  return {
    ...Object.fromEntries(await Promise.all(read)),
    [`${w.ctx.paths.configs}/encryption.yaml`]: "keys: of stored secrets\n",
  };
}

/** Makes the master; TLS goes by the real time, so its clock begins there. */
export async function master(config: Record<string, unknown> = {}): Promise<Master> {
  const w = await world({ config: { ...MASTER.config, ...config } });
  for (const [path, content] of Object.entries(await files)) await w.root.write(path, content);
  const clock = fakeClock(Date.now());
  const ctx = { ...w.ctx, clock };
  keepsSecrets(w.kube);
  const ca = (await ctx.host.read(`${ctx.paths.certs}/ca.crt`)) ?? "";
  const caKey = (await ctx.host.read(`${ctx.paths.certs}/ca.key`)) ?? "";
  const noted: string[] = [];
  const silent: Peer[] = [];
  const service = new JoinService({
    ctx: () => ctx,
    signer: joinSigner,
    version: "1.0.0",
    bundle: async () => "",
    silentVoters: async () => silent,
    note: (words) => void noted.push(words),
  });
  return {
    w,
    ctx,
    clock,
    service,
    noted,
    silent,
    ca,
    state: () => readJoinState(ctx.kube),
    token: (change = {}) => addToken(ctx, { ca, change }),
    async issue(id, params = {}, at = Date.now()) {
      const key = await generateKey("ec");
      const certPem = await issueLeaf(spec(id), {
        ca: { certPem: ca, keyPem: caKey },
        publicPem: key.publicPem,
        params: { ...pkiOptions(ctx).params, ...params },
        now: new Date(at),
      });
      return { cert: certPem, key: key.privatePem };
    },
    everything: async () => ({ api: [...w.kube.objects], files: await w.root.snapshot() }),
    [Symbol.asyncDispose]: () => w[Symbol.asyncDispose](),
  };
}

/** Keeps Secrets as an API server does: a change of what another has changed since is refused. */
export function keepsSecrets(kube: FakeKube): void {
  let version = 0;
  kube.answer = (method, path, body) => {
    if (method === "DELETE") {
      const status = kube.objects.delete(path) ? 200 : 404;
      return { status, body: { metadata: { name: "" } } };
    }
    const object = body as KubeObject;
    const place = method === "POST" ? `${path}/${object.metadata.name}` : path;
    const found = kube.objects.get(place);
    const isStale =
      method === "POST"
        ? found !== undefined
        : found?.metadata.resourceVersion !== object.metadata.resourceVersion;
    if (isStale) return { status: 409, body: { metadata: { name: "" }, message: "changed meanwhile" } };
    const kept = { ...object, metadata: { ...object.metadata, resourceVersion: `v${++version}` } };
    kube.objects.set(place, structuredClone(kept));
    return { status: 200, body: kept };
  };
}

async function addToken(
  ctx: Ctx,
  { ca, change }: { ca: string; change: Partial<TokenRecord> },
): Promise<Token> {
  const token = makeToken(ca);
  const now = ctx.clock.now();
  const record: TokenRecord = {
    id: token.id,
    hash: hashOf(token.secret),
    role: "worker",
    created: now,
    expires: now + HOUR,
    uses: 1,
    used: [],
    ...change,
  };
  await changeJoinState(ctx.kube, {
    now,
    change: (state) => ({ state: { ...state, tokens: [...state.tokens, record] }, result: undefined }),
  });
  return token;
}

/** A host that asks to be a node. */
export interface Joiner {
  body: JoinRequest;
  keys: Record<string, KeyPair>;
}

/**
 * Makes the keys of a host and its requests.
 *
 * @param options `asks`: what the requests name, where that is not the host itself
 */
export async function joiner(
  name: string,
  options: {
    ip?: string;
    role?: NodeRole;
    machineId?: string;
    asks?: Partial<PkiParams>;
    keys?: Record<string, KeyPair>;
  } = {},
): Promise<Joiner> {
  const { ip = "10.0.0.6", role = "worker", machineId = "ab".repeat(16) } = options;
  const params: PkiParams = {
    nodeName: name,
    nodeIp: ip,
    masterIp: "10.0.0.5",
    apiServiceIp: "10.21.0.1",
    clusterDomain: "cluster.local",
    extraNames: [],
    ...options.asks,
  };
  const keys: Record<string, KeyPair> = {};
  const csrs: Record<string, string> = {};
  for (const one of certificatesOf("worker")) {
    const key = options.keys?.[one.id] ?? (await generateKey("ec"));
    keys[one.id] = key;
    csrs[one.id] = await createCsr(one, { key, params });
  }
  return { body: { name, ip, machineId, role, csrs }, keys };
}

/** The refusal that a promise ends with. */
export async function refused(promise: Promise<unknown>): Promise<JoinRefusal> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof JoinRefusal) return error;
  throw new Error("expected a JoinRefusal", { cause: error });
}
