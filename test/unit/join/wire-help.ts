import { expect } from "bun:test";
import { createServer } from "node:https";
import { type Credentials, fetchAuthority, JoinClient } from "../../../src/join/client.ts";
import type { NodeIdentity } from "../../../src/join/identity.ts";
import { type BundleHandler, type JoinServer, serveJoin } from "../../../src/join/server.ts";
import type { Token } from "../../../src/join/token.ts";
import { type Joiner, master, type Master, refused } from "./help.ts";

const { signal } = new AbortController();

/** A master that listens on loopback. */
export interface Listening extends AsyncDisposable {
  m: Master;
  server: JoinServer;
  /** What it told of itself, beside what it refused. */
  told: string[];
  /** How many requests for the bundle got through. */
  bundles: string[];
  address: { host: string; port: number };
  authority(token: Token): Promise<string>;
  client(credentials: Credentials): JoinClient;
}

/** How a master listens, where that is not as always. */
export interface ListeningOptions {
  /** Milliseconds that a request may take to come. */
  requestMs?: number;
  /** What answers a request for the bundle. */
  bundle?: BundleHandler;
}

/** Makes a master that listens on a free port. */
export async function listening(how: ListeningOptions = {}): Promise<Listening> {
  const m = await master();
  const read = async (name: string) => (await m.ctx.host.read(`${m.ctx.paths.certs}/${name}`)) ?? "";
  const { requestMs, bundle = async (_, response) => void response.end("the bundle") } = how;
  const told: string[] = [];
  const bundles: string[] = [];
  const server = await serveJoin({
    address: { host: "127.0.0.1", port: 0 },
    tls: { cert: await read("join-server.crt"), key: await read("join-server.key"), ca: m.ca },
    service: m.service,
    async bundle(request, response) {
      bundles.push(request.method ?? "");
      await bundle(request, response);
    },
    now: () => m.clock.monotonic(),
    tell: (words) => void told.push(words),
    ...(requestMs !== undefined && { requestMs }),
  });
  const address = { host: "127.0.0.1", port: server.port };
  return {
    m,
    server,
    told,
    bundles,
    address,
    authority: (token) => fetchAuthority(address, { token, signal }),
    client: (credentials) => new JoinClient(address, { ca: m.ca, signal, ...credentials }),
    async [Symbol.asyncDispose]() {
      server.stop();
      await m[Symbol.asyncDispose]();
    },
  };
}

/** Somebody on the way who passes for a master. */
export interface Impostor extends Disposable {
  address: { host: string; port: number };
  /** What they were told: path and credentials of each request. */
  heard: string[];
}

/** Answers every request with a text, with this certificate. */
export async function impostor(tls: NodeIdentity, answer: object): Promise<Impostor> {
  const heard: string[] = [];
  const server = createServer(tls, (request, response) => {
    heard.push(`${request.url} ${request.headers.authorization ?? "nothing"}`);
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  const { port } = server.address() as { port: number };
  return {
    address: { host: "127.0.0.1", port },
    heard,
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Asks for the authority at an address. */
export const authorityAt = (address: Impostor["address"], token: Token) =>
  fetchAuthority(address, { token, signal });

/** A client of whoever is at an address. */
export const clientAt = (address: Impostor["address"], options: { ca: string } & Credentials) =>
  new JoinClient(address, { ...options, signal });

/** The certificate and key that a host was given. */
export function identityOf({ keys }: Joiner, certificates: Record<string, string>): NodeIdentity {
  return { cert: certificates["kubelet-client"] ?? "", key: keys["kubelet-client"]?.privatePem ?? "" };
}

/** A refusal, and that it left everything on the master as it was. */
export async function refusedWithoutTrace({ m }: Listening, work: () => Promise<unknown>) {
  const before = await m.everything();
  const { code, message } = await refused(work());
  expect(await m.everything()).toEqual(before);
  return { code, message };
}

/** What a host says of itself at first. */
export const HELLO = { name: "w1", ip: "10.0.0.6", machineId: "ab".repeat(16), version: "1", ports: [] };
