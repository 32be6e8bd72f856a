import { X509Certificate } from "node:crypto";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { z } from "zod";
import { AppError, codeOf } from "../errors.ts";
import { identify, IDENTITY_HEADER, type NodeIdentity } from "./identity.ts";
import * as protocol from "./protocol.ts";
import { routes } from "./protocol.ts";
import { JoinRefusal, type RefusalCode } from "./refusal.ts";
import { type Sealed, unseal } from "./seal.ts";
import { isPinned, type Token } from "./token.ts";

/** A master's join service. */
export interface JoinAddress {
  /** IPv4 address or name. */
  host: string;
  port: number;
}

/** How a joiner shows who it is. */
export interface Credentials {
  token?: Token;
  identity?: NodeIdentity;
}

const DEADLINE_MS = 30_000;

/**
 * Asks a host for the authority of its cluster, and believes it only when the token was made for that one. Nothing secret is sent
 * before.
 *
 * @returns the authority's certificate in PEM
 * @throws AppError when nobody answers, or somebody else does
 */
export async function fetchAuthority(
  address: JoinAddress,
  { token, signal }: { token: Token; signal: AbortSignal },
) {
  const url = `https://${address.host}:${address.port}${routes.ca}`;
  const response = await reach(address, () =>
    // Whoever answers is nobody yet: what they say is judged by the pin.
    fetch(url, {
      tls: { rejectUnauthorized: false },
      keepalive: false,
      redirect: "error",
      signal: within(signal),
    }),
  );
  const { ca } = (await response.json().catch(() => ({}))) as { ca?: unknown };
  // Of what was sent only the certificate that the pin is of: what stands behind it would be believed as well.
  if (typeof ca === "string" && isPinned(ca, token.pin)) return new X509Certificate(ca).toString();
  throw new AppError(
    `Cannot join at ${address.host}:${address.port}: whoever answers is not of the cluster that the token was made for`,
    { hint: "name a master of that cluster; if this is one, its answer was changed on the way" },
  );
}

/** Who a master's join service is, whatever its address. */
const SERVICE_NAME = "nodelet-join";

/**
 * TLS options that believe a master alone. A worker has a certificate of the same authority for its address too, and must not be
 * told a token.
 *
 * @param ca the cluster's authority in PEM
 */
export function masterTls(ca: string) {
  return {
    ca,
    checkServerIdentity(host: string, cert: PeerCertificate): Error | undefined {
      const wrong = checkServerIdentity(host, cert);
      if (wrong || cert.subject.CN === SERVICE_NAME) return wrong;
      return Object.assign(new Error("not a master"), { code: "CERT_OF_NO_MASTER" });
    },
  };
}

/** Talks to one master over TLS that the cluster's authority vouches for. */
export class JoinClient {
  readonly address: JoinAddress;
  readonly #ca: string;
  readonly #credentials: Credentials;
  readonly #signal: AbortSignal;

  constructor(address: JoinAddress, options: { ca: string; signal: AbortSignal } & Credentials) {
    this.address = address;
    this.#ca = options.ca;
    this.#signal = options.signal;
    this.#credentials = options;
  }

  /** What the cluster is. @throws JoinRefusal as the master says; AppError when it cannot be reached */
  hello(body: protocol.HelloRequest): Promise<protocol.HelloAnswer> {
    return this.#post(routes.hello, { body, answer: protocol.helloAnswer, as: "token" });
  }

  /** Certificates for this host. @throws as {@linkcode hello} does */
  join(body: protocol.JoinRequest): Promise<protocol.JoinAnswer> {
    return this.#post(routes.join, { body, answer: protocol.joinAnswer, as: "token" });
  }

  /** Texts by path that a master needs. @throws as {@linkcode hello} does; AppError when they were not sealed for this node */
  async secrets(name: string): Promise<Record<string, string>> {
    const sealed: Sealed = await this.#post(routes.secrets, {
      body: {},
      answer: protocol.secretsAnswer,
      as: "both",
    });
    const text = unseal(sealed, { secret: this.#credentials.token?.secret ?? "", about: name });
    return protocol.secretFiles.parse(JSON.parse(text));
  }

  /** Registers this node, or has its labels and taints changed. @throws as {@linkcode hello} does */
  async node(body: protocol.NodeRequest): Promise<void> {
    await this.#post(routes.node, { body, answer: protocol.nothing, as: "node" });
  }

  /** Has this node forgotten. @throws as {@linkcode hello} does */
  async leave(): Promise<void> {
    await this.#post(routes.leave, { body: {}, answer: protocol.nothing, as: "node" });
  }

  /** True when the master has this one among the peers of its keepalived. @throws as {@linkcode hello} does */
  async listed(): Promise<boolean> {
    return (await this.#post(routes.listed, { body: {}, answer: protocol.listedAnswer, as: "node" })).listed;
  }

  /** Certificates anew. @throws as {@linkcode hello} does */
  async renew(body: { ip: string; csrs: Record<string, string> }): Promise<Record<string, string>> {
    return (await this.#post(routes.renew, { body, answer: protocol.renewAnswer, as: "node" })).certificates;
  }

  async #post<S extends z.ZodType>(
    path: string,
    call: { body: object; answer: S; as: "token" | "node" | "both" },
  ): Promise<z.output<S>> {
    const body = JSON.stringify(call.body);
    const response = await this.#fetch({
      method: "POST",
      path,
      body,
      as: call.as,
      signal: within(this.#signal),
    });
    const found: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw refusalOf(this.address, { status: response.status, body: found });
    const parsed = call.answer.safeParse(found);
    if (parsed.success) return parsed.data;
    throw new AppError(
      `Cannot understand the master ${this.address.host}: ${parsed.error.issues[0]?.message ?? ""}`,
      {
        hint: "use the nodelet of the same version as the cluster's",
      },
    );
  }

  async #fetch(call: {
    method: string;
    path: string;
    body: string;
    as: "token" | "node" | "both";
    signal: AbortSignal;
  }): Promise<Response> {
    const { token, identity } = this.#credentials;
    const { method, path, body, as, signal } = call;
    const shown = as === "token" ? undefined : identity;
    const headers = {
      ...(as !== "node" && token && { authorization: `Bearer ${token.id}.${token.secret}` }),
      ...(shown && { [IDENTITY_HEADER]: identify({ method, path, body }, shown) }),
    };
    return await reach(this.address, () =>
      fetch(`https://${this.address.host}:${this.address.port}${path}`, {
        method,
        headers,
        tls: { ...masterTls(this.#ca), ...shown },
        redirect: "error",
        signal,
        ...(method === "POST" && { body }),
      }),
    );
  }
}

const within = (signal: AbortSignal) => AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);

/** Tells in words why nobody was reached. */
async function reach(address: JoinAddress, request: () => Promise<Response>): Promise<Response> {
  try {
    return await request();
  } catch (error) {
    const what = codeOf(error) ?? (error instanceof Error ? error.name : "unknown");
    const isTls = /CERT|SSL|TLS|SIGNATURE|ISSUER|ALTNAME/i.test(what);
    throw new AppError(
      isTls
        ? `Cannot join at ${address.host}:${address.port}: whoever answers cannot prove to be a master (${what})`
        : `Cannot reach a master at ${address.host}:${address.port}: ${what}`,
      {
        hint: isTls
          ? "name a master, by an address that is in its certificate, and look whether the clocks agree"
          : "check the address; on the master nodelet status must be ok, and the port open",
      },
    );
  }
}

function refusalOf(address: JoinAddress, { status, body }: { status: number; body: unknown }): AppError {
  const parsed = protocol.refusalAnswer.safeParse(body);
  if (!parsed.success) return new AppError(`Cannot join at ${address.host}: the master answers ${status}`);
  const { code, message, hint } = parsed.data;
  return new JoinRefusal(code as RefusalCode, `Cannot join: ${message}`, hint ? { hint } : {});
}
