import { httpSource } from "../bundle/http-source.ts";
import type { NodeContent } from "../bundle/needed.ts";
import { type ByteSource, bytesToStream, openRemote, type RemoteBundle } from "../bundle/remote.ts";
import { streamBundle } from "../bundle/stream.ts";
import { masterTls } from "../join/client.ts";
import { identify, IDENTITY_HEADER, type NodeIdentity } from "../join/identity.ts";
import { ownIdentity } from "../join/member.ts";
import { routes } from "../join/protocol.ts";
import type { Token } from "../join/token.ts";
import { otherMasters } from "../peers.ts";
import type { Io } from "./io.ts";
import type { Met } from "./join-meet.ts";
import { meter } from "./meter.ts";
import { type Session, trustOf } from "./session.ts";

/** Masters that the bundle is taken from, and as whom. */
interface Masters {
  addresses: readonly string[];
  port: number;
  ca: string;
  credentials: { token: Token } | { identity: NodeIdentity };
}

/**
 * The bundle of the masters, for a host that has none: its index, judged as that of a file, and who has it.
 *
 * @throws AppError when no master has one that this program may trust
 */
export async function findRemote(
  io: Io,
  call: { session: Session; met: Met; token: Token },
): Promise<RemoteBundle> {
  const { session, met, token } = call;
  const { config, node } = session.ctx;
  const known = met.answer.peers
    .filter(({ master, name }) => master && name !== node.name)
    .map(({ ip }) => ip);
  const { host, port } = met.client.address;
  // One that is not among the nodes yet, or is met by another address, has it too.
  const addresses = known.length > 0 ? known : [host];
  return await open(io, {
    session,
    masters: { addresses, port, ca: met.ca, credentials: { token } },
    config,
  });
}

/** The same for a host that has been admitted, and asks as itself. */
export async function findRemoteAgain(io: Io, session: Session): Promise<RemoteBundle> {
  const { config } = session.ctx;
  const { ca, identity } = await ownIdentity(session.ctx);
  const addresses = (await otherMasters(session.ctx)).map(({ ip }) => ip);
  const credentials = { identity };
  return await open(io, { session, masters: { addresses, port: config.joinPort, ca, credentials }, config });
}

async function open(
  io: Io,
  { session, masters, config }: { session: Session; masters: Masters; config: Session["ctx"]["config"] },
): Promise<RemoteBundle> {
  return await openRemote({
    sources: masters.addresses.map((address) => sourceOf(address, masters)),
    trust: trustOf(config),
    signal: session.ctx.signal,
    say: (line) => io.err(`${line}\n`),
  });
}

function sourceOf(address: string, { port, ca, credentials }: Masters): ByteSource {
  const shown =
    "token" in credentials
      ? {
          tls: masterTls(ca),
          headers: { authorization: `Bearer ${credentials.token.id}.${credentials.token.secret}` },
        }
      : {
          tls: { ...masterTls(ca), ...credentials.identity },
          headers: {
            [IDENTITY_HEADER]: identify(
              { method: "GET", path: routes.bundle, body: "" },
              credentials.identity,
            ),
          },
        };
  return httpSource({ name: address, url: `https://${address}:${port}${routes.bundle}`, init: shown });
}

/** What of a bundle such a node is made of. */
export function contentOf({ ctx }: Pick<Session, "ctx">): NodeContent {
  const { config, node } = ctx;
  return { role: config.role, runtime: node.runtime, networkPlugin: config.networkPlugin };
}

/** How much of a bundle came from masters, and in how long. */
export interface Streamed {
  bytes: number;
  ms: number;
}

/** Takes what this node needs of the masters' bundle; what an interrupted run has got is not taken again. */
export async function takeBundle(
  io: Io,
  { session, remote }: { session: Session; remote: RemoteBundle },
): Promise<Streamed> {
  const begun = performance.now();
  const node = contentOf(session);
  const { host, clock, signal } = session.ctx;
  const bytes = bytesToStream(remote, node);
  const shown = meter(io, { what: "take the bundle from the masters", total: bytes });
  try {
    await streamBundle(remote, {
      host,
      node,
      clock,
      signal,
      say: (line) => io.err(`${line}\n`),
      onBytes: (bytes) => shown.add(bytes),
    });
  } finally {
    shown.end();
  }
  return { bytes, ms: Math.round(performance.now() - begun) };
}
