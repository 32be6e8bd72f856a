import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server, type TLSSocket } from "node:tls";
import { AppError, messageOf } from "../errors.ts";
import { Attempts } from "./attempts.ts";
import { Connections } from "./connections.ts";
import { routes } from "./protocol.ts";
import { JoinRefusal, type RefusalCode } from "./refusal.ts";
import type { JoinCall, JoinService } from "./service.ts";

/** Requests for certificates of a node have some 6 KiB. */
const LARGEST_BODY = 64 * 1024;
/** Their heads have a token, or a certificate and a signature. */
const LARGEST_HEAD = 16 * 1024;
/** Who has not said what they want by then never will, in milliseconds. */
const REQUEST_MS = 15_000;

/** What a master answers that is one, and cannot do what it is for. */
const NOT_READY: RefusalCode = "NotReady";

/** What answers a request for a range of the bundle. */
export type BundleHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** What is listened with. */
export interface JoinServerOptions {
  address: { host: string; port: number };
  /** PEM: the server's certificate and key, and the authority of the nodes that may prove themselves. */
  tls: { cert: string; key: string; ca: string };
  service: JoinService;
  bundle: BundleHandler;
  now: () => number;
  /** Told of what went wrong here, not of what was refused. */
  tell: (words: string) => void;
  /** Milliseconds that a request may take to come, from the connection on. @default {15_000} */
  requestMs?: number;
}

/** A join service that listens. */
export interface JoinServer {
  port: number;
  stop(): void;
}

/**
 * Listens for joiners: TLS 1.2 and up, small requests with a deadline, and few connections from each address.
 *
 * @throws Error when the address cannot be listened on
 */
export async function serveJoin(options: JoinServerOptions): Promise<JoinServer> {
  const attempts = new Attempts();
  const connections = new Connections({ requestMs: options.requestMs ?? REQUEST_MS });
  const web = createServer({ maxHeaderSize: LARGEST_HEAD }, (request, response) => {
    const whole = connections.begin(request, response);
    if (whole) void answer({ request, response, whole, attempts, options }).catch(() => response.destroy());
  });
  web.on("clientError", (_, socket) => socket.destroy());
  // Not a server of HTTPS: Bun's tells of a connection when its TLS handshake is done, so that silent ones would not be counted.
  const server = createTlsServer(
    {
      ...options.tls,
      // Who has no certificate yet comes with a token; the service asks for the one or the other.
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
    },
    (socket) => void web.emit("connection", socket),
  );
  server.on("connection", (socket) => connections.admit(socket));
  server.on("tlsClientError", (_, socket) => socket.destroy());
  await listen(server, options.address);
  const { port } = server.address() as { port: number };
  return {
    port,
    stop() {
      server.close();
      connections.closeAll();
    },
  };
}

async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  server.on("error", () => {});
}

async function answer(call: {
  request: IncomingMessage;
  response: ServerResponse;
  /** Called when all of the request is here. */
  whole: () => void;
  attempts: Attempts;
  options: JoinServerOptions;
}): Promise<void> {
  const { request, response, whole, attempts, options } = call;
  const from = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  try {
    // Pods ask with the address of their node, which must not be kept from asking by what they guess.
    const isProven = (request.socket as TLSSocket).authorized;
    const isGuess = request.headers.authorization !== undefined && !isProven;
    if (isGuess && attempts.isTooMany(from, options.now())) {
      throw new JoinRefusal("TooManyAttempts", `Too many refused attempts from ${from}`, {
        hint: "wait a minute, then try again with the right token",
      });
    }
    const body = await bodyOf(request);
    // Who went before the end of their request is not answered, and nothing failed here.
    if (body === undefined) return void response.destroy();
    whole();
    const asked = joinCall(request, { body, from });
    if (asked.path === routes.bundle) {
      await options.service.caller(asked);
      return await options.bundle(request, response);
    }
    send(response, { status: 200, body: await options.service.answer(asked) });
  } catch (error) {
    if (error instanceof JoinRefusal && error.status === 401) attempts.note(from, options.now());
    if (!(error instanceof JoinRefusal)) options.tell(`join: ${messageOf(error)}`);
    if (response.headersSent) response.destroy();
    else send(response, refused(error));
  }
}

function joinCall(request: IncomingMessage, { body, from }: { body: string; from: string }): JoinCall {
  const socket = request.socket as TLSSocket;
  return {
    method: request.method ?? "",
    path: request.url ?? "",
    header(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body,
    from,
    verified: socket.authorized,
  };
}

/** The body of a request; undefined when its sender went before the end of it. @throws JoinRefusal when it is too large */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > LARGEST_BODY)
        throw new JoinRefusal("BadRequest", `The request has more than ${LARGEST_BODY} bytes`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof JoinRefusal) throw error;
    return undefined;
  }
  return Buffer.concat(parts).toString("utf8");
}

/** What failed here is told here in full, and to the joiner without what it could abuse. */
function refused(error: unknown): { status: number; body: object } {
  if (error instanceof JoinRefusal) {
    const { status, code, message, hint } = error;
    return { status, body: { code, message, ...(hint && { hint }) } };
  }
  const message =
    error instanceof AppError ? "The master cannot answer: its cluster does not" : "The master failed";
  return {
    status: 503,
    body: { code: NOT_READY, message, hint: "see nodelet status on the master, and try again" },
  };
}

function send(response: ServerResponse, { status, body }: { status: number; body: object }): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    // Nobody keeps a place that another joiner could have.
    connection: "close",
  });
  response.end(text);
}
