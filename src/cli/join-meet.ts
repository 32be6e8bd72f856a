import type { Finding } from "../errors.ts";
import { AppError, UsageError } from "../errors.ts";
import { readRequired } from "../host/host.ts";
import { fetchAuthority, type JoinAddress, JoinClient } from "../join/client.ts";
import { keyIdOf } from "../join/identity.ts";
import { listenOn } from "../join/listen.ts";
import type { HelloAnswer, HelloRequest } from "../join/protocol.ts";
import { reachable } from "../host/port.ts";
import type { Token } from "../join/token.ts";
import { ownPublicKey } from "../../certs/joining.ts";
import type { LevelledFinding } from "./bring-up.ts";
import type { Session } from "./session.ts";
import { VERSION } from "./version.ts";

/** A master that was met, and what it said. */
export interface Met {
  client: JoinClient;
  /** The cluster's authority in PEM. */
  ca: string;
  answer: HelloAnswer;
  findings: LevelledFinding[];
  /** How far this host's clock is before the master's, in milliseconds. */
  skewMs: number;
}

/** Certificates, leases and tokens go by the clock. */
const SKEW_WARN_MS = 2_000;
const SKEW_ERROR_MS = 300_000;

const KUBELET_PORT = 10250;

/** Reads `ADDRESS` or `ADDRESS:PORT`. @throws UsageError for anything else */
export function parseJoinAddress(text: string, defaultPort: number): JoinAddress {
  const [, host, port] =
    /^(?:https:\/\/)?([a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?)(?::\d{1,5})?\/?$/.exec(text)
      ? (/^(?:https:\/\/)?([^:/]+)(?::(\d+))?/.exec(text) ?? [])
      : [];
  const at = port === undefined ? defaultPort : Number(port);
  if (host !== undefined && at >= 1 && at <= 65_535) return { host, port: at };
  throw new UsageError(
    `Cannot join at "${text}"; expected the address of a master, for example 10.0.0.5 or 10.0.0.5:6442`,
  );
}

/**
 * Meets a master: makes sure that it is one of the token's cluster, and learns what the cluster is and whether this host may join.
 * Changes nothing, on either side.
 *
 * @throws AppError when there is none, or it is not; JoinRefusal as the master says
 */
export async function meet(
  session: Session,
  { address, token }: { address: JoinAddress; token: Token },
): Promise<Met> {
  const { ctx } = session;
  const { signal } = ctx;
  const ca = await fetchAuthority(address, { token, signal });
  const client = new JoinClient(address, { ca, token, signal });
  const about = await aboutThisHost(session);
  // What it will be decides which ports are tried.
  const first = await client.hello({ ...about, ports: [] });
  using listening = await listenOn(portsToListenOn(session, first.role));
  const begun = ctx.clock.now();
  const answer = await client.hello({ ...about, ports: listening.ports });
  const skewMs = Math.round((begun + ctx.clock.now()) / 2 - answer.now);
  const findings = [
    ...versionFindings(answer),
    ...clockFindings(skewMs),
    ...addressFindings(session, answer),
    ...portFindings(session, { answer, asked: listening.ports }),
    ...(await masterFindings(session, answer)),
  ];
  return { client, ca, answer, findings, skewMs };
}

async function aboutThisHost({ ctx }: Session): Promise<Omit<HelloRequest, "ports">> {
  const machineId = (await readRequired(ctx.host, "/etc/machine-id").catch(() => "")).trim();
  if (!/^[0-9a-f]{32}$/.test(machineId)) {
    throw new AppError(`Cannot tell who this host is: /etc/machine-id is not 32 hex digits`, {
      hint: "make one: systemd-machine-id-setup",
    });
  }
  const publicPem = await ownPublicKey(ctx.host, { dir: ctx.paths.certs });
  const { name, ip } = ctx.node;
  return {
    name,
    ip,
    machineId,
    version: VERSION,
    ...(publicPem !== undefined && { key: keyIdOf(publicPem) }),
  };
}

/** What other nodes come to on this one. */
function portsToListenOn({ ctx, recorded }: Session, role: string): number[] {
  // On a node that runs already, its own components listen.
  if (recorded) return [];
  const { apiPort, etcdPeerPort, joinPort } = ctx.config;
  return [KUBELET_PORT, ...(role === "master" ? [apiPort, etcdPeerPort, joinPort] : [])];
}

const error = (finding: Finding): LevelledFinding => ({ level: "error", ...finding });
const warning = (finding: Finding): LevelledFinding => ({ level: "warning", ...finding });

function versionFindings({ version }: HelloAnswer): LevelledFinding[] {
  if (version === VERSION) return [];
  const message = `The masters run nodelet ${version}; this is ${VERSION}`;
  return [
    error({
      code: "JoinVersion",
      message,
      hint: "use the nodelet of the masters: /opt/pf9/nodelet/nodeletd on each",
    }),
  ];
}

function clockFindings(skewMs: number): LevelledFinding[] {
  const far = Math.abs(skewMs);
  if (far < SKEW_WARN_MS) return [];
  const way = skewMs > 0 ? "before" : "behind";
  const message = `The clock of this host is ${(far / 1000).toFixed(1)} s ${way} the master's`;
  const hint = "set it, and keep it with chrony or systemd-timesyncd from a server of your network";
  return far < SKEW_ERROR_MS
    ? [warning({ code: "ClockSkew", message, hint })]
    : [error({ code: "ClocksDiffer", message, hint })];
}

function addressFindings({ ctx }: Session, { seenAs }: HelloAnswer): LevelledFinding[] {
  if (seenAs === ctx.node.ip) return [];
  const message = `The master sees this host at ${seenAs}; its address as a node would be ${ctx.node.ip}`;
  return [
    warning({
      code: "AddressSeen",
      message,
      hint: `set --node-ip ${seenAs} where that is an address of this host; translated addresses between nodes do not work`,
    }),
  ];
}

function portFindings(
  { ctx }: Session,
  { answer, asked }: { answer: HelloAnswer; asked: readonly number[] },
): LevelledFinding[] {
  // A master tries nobody's ports but those of who asks.
  if (answer.seenAs !== ctx.node.ip) return [];
  const missed = asked.filter((port) => !answer.reached.includes(port));
  if (missed.length === 0) return [];
  return [
    error({
      code: "PortsClosed",
      message: `The master does not reach TCP port ${missed.join(", ")} of this host (${ctx.node.ip})`,
      hint: "open them for the nodes of the cluster, here and on what is in between",
    }),
  ];
}

/** One master that is away is no reason not to join; none that can be reached is. */
async function masterFindings({ ctx }: Session, answer: HelloAnswer): Promise<LevelledFinding[]> {
  const config = { ...ctx.config, ...(answer.config as Partial<Session["ctx"]["config"]>) };
  const { apiPort, joinPort, etcdClientPort, etcdPeerPort } = config;
  const wanted = [apiPort, joinPort, ...(answer.role === "master" ? [etcdClientPort, etcdPeerPort] : [])];
  const masters = answer.peers.filter(({ master, name }) => master && name !== ctx.node.name);
  const found = await Promise.all(
    masters.map(async ({ name, ip }) => {
      const reached = await reachable(ip, wanted);
      return { name, ip, missed: wanted.filter((port) => !reached.includes(port)) };
    }),
  );
  const bad = found.filter(({ missed }) => missed.length > 0);
  const level = bad.length === found.length ? error : warning;
  return bad.map(({ name, ip, missed }) =>
    level({
      code: level === error ? "MastersClosed" : "MasterAway",
      message: `This host does not reach TCP port ${missed.join(", ")} of the master "${name}" (${ip})`,
      hint: "open them for this host, on the master and on what is in between; see nodelet status on the master",
    }),
  );
}
