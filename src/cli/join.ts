import { stringify } from "yaml";
import { bundleDigest } from "../bundle/index-text.ts";
import { type RemoteBundle, remoteBundle } from "../bundle/remote.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { placeOf } from "../host/machine.ts";
import { readRemoval, removalWords } from "../daemon/removed.ts";
import { whyNotListed } from "../join/listed.ts";
import { JoinRefusal } from "../join/refusal.ts";
import { paths } from "../paths.ts";
import { peersText } from "../peers.ts";
import { isReady, nodePath, whyNotReady } from "../kube/node.ts";
import { until } from "../runner/wait.ts";
import { changeHeld } from "../runner/held.ts";
import {
  type BringUpOptions,
  commandName,
  givenFlags,
  type LevelledFinding,
  nodeText,
  prepare,
  refuseHost,
  rememberHost,
  startAll,
} from "./bring-up.ts";
import { etcdWarnings } from "./etcd.ts";
import type { Io } from "./io.ts";
import { showResult } from "./io.ts";
import { beAdmitted, isAdmitted } from "./join-admit.ts";
import { contentOf, findRemote, findRemoteAgain, type Streamed, takeBundle } from "./join-bundle.ts";
import { type Met, meet, parseJoinAddress } from "./join-meet.ts";
import { readToken, type TokenOptions } from "./join-token.ts";
import { withKeyFile } from "./key-file.ts";
import { duration } from "./progress.ts";
import {
  type ClusterRecord,
  openSession,
  operatorLock,
  type Session,
  type SessionOptions,
} from "./session.ts";

/** Options of `nodelet join` beside the keys of the configuration. */
export type JoinOptions = BringUpOptions & TokenOptions;

/** What `nodelet join` is called with. */
export interface JoinCommand {
  options: JoinOptions;
  /** Of a master; not needed to finish what was interrupted. */
  address?: string;
  signal: AbortSignal;
}

/** Configuration that all nodes share, as the cluster gave it. Before other files by name: what the operator writes wins. */
const CLUSTER_CONFIG = `${paths.configDir}/00-cluster.yaml`;

/** Makes this host a node of a cluster that is there. @returns the exit code */
export async function join(io: Io, call: JoinCommand): Promise<number> {
  const begun = performance.now();
  const options = await withKeyFile(call.options);
  if (options.root !== "/") {
    throw new UsageError(`Cannot join below "${options.root}"; expected --root / or none`);
  }
  if (options["podCidr"] !== undefined) {
    throw new UsageError(
      "Cannot join with --pod-cidr: the masters give each node its block of containersCidr",
    );
  }
  const { more, session } = await joinLocked(io, { ...call, options });
  const ms = Math.round(performance.now() - begun);
  const { node, config } = session.ctx;
  const result = { node: node.name, ip: node.ip, role: config.role, clusterId: node.clusterId, ms, ...more };
  showResult(io, { format: options.output, result, table: doneText(session, ms) });
  const warnings = [...(await etcdWarnings(session.ctx)), ...(await vipWarnings(session.ctx))];
  for (const warning of warnings) io.err(`warning: ${warning}\n`);
  return ExitCode.ok;
}

/** A master that could not start keepalived is one all the same, and the daemon goes on asking. */
async function vipWarnings(ctx: Session["ctx"]): Promise<string[]> {
  const { role, masterVip } = ctx.config;
  const why = role === "master" && masterVip !== undefined ? await whyNotListed(ctx) : undefined;
  return why === undefined ? [] : [`this master takes no part in ${masterVip} yet: ${why}`];
}

async function joinLocked(io: Io, call: JoinCommand) {
  const { options, signal } = call;
  using _lock = await operatorLock(options, "nodelet join");
  const open = (more: Partial<SessionOptions> = {}) =>
    openSession({
      options,
      io,
      signal,
      flags: options,
      purpose: "change",
      withoutBundle: true,
      bundleLater: true,
      ...more,
    });
  const here = await open();
  refuseOther(here);
  const isHere = here.recorded && (await isAdmitted(here));
  const remote = isHere ? undefined : await admitHost(io, { ...call, here, open });
  const streamed = await haveBundle(io, { session: await open(), remote });
  const session = await open({ bundleLater: false, withoutBundle: false });
  await changeHeld(placeOf(session.machine, paths.held), { remove: session.phases });
  const started = await startAll(io, session);
  await untilReady(session.ctx);
  return { session, more: { ...started, ...(streamed && { streamed }) } };
}

/** A host without a bundle takes what it needs from the masters. */
async function haveBundle(
  io: Io,
  { session, remote }: { session: Session; remote: RemoteBundle | undefined },
): Promise<Streamed | undefined> {
  if (!session.bundleProblem) return undefined;
  return await takeBundle(io, { session, remote: remote ?? (await findRemoteAgain(io, session)) });
}

/** The cluster may give pods to the node. With a network plugin that is somebody else's to install, it never may before that. */
async function untilReady(ctx: Session["ctx"]): Promise<void> {
  if (ctx.config.networkPlugin === "noop") return;
  await until(
    async () => {
      const node = await ctx.kube.get(nodePath(ctx)).catch(() => undefined);
      if (node && isReady(node)) return { value: true };
      return { missing: node ? whyNotReady(node) : `there is no node "${ctx.node.name}" yet` };
    },
    {
      action: `see the node "${ctx.node.name}" Ready`,
      timeoutMs: 120_000,
      clock: ctx.clock,
      signal: ctx.signal,
      hint: 'see nodelet status, and "journalctl -u pf9-kubelet"',
    },
  );
}

/** A node of its own cluster cannot become one of another by accident. */
function refuseOther({ recorded, machine }: Session): void {
  const removal = readRemoval(machine);
  if (removal) {
    throw new UsageError(`Cannot join: this node was ${removalWords(removal)}`, {
      hint: "undo it with nodelet reset, then join with a new token",
    });
  }
  if (!recorded || recorded.joined) return;
  throw new UsageError("Cannot join: this host is the first master of a cluster of its own", {
    hint: "undo that with nodelet reset, then join",
  });
}

async function admitHost(
  io: Io,
  call: JoinCommand & { here: Session; open: (more?: Partial<SessionOptions>) => Promise<Session> },
): Promise<RemoteBundle | undefined> {
  const { options, here, open } = call;
  if (call.address === undefined) {
    throw new UsageError(
      "Cannot join: no address was given; expected that of a master, for example 10.0.0.5",
      {
        hint: "on a master nodelet token create prints the whole command",
      },
    );
  }
  const address = parseJoinAddress(call.address, here.ctx.config.joinPort);
  const token = readToken(io, options);
  if (!token)
    throw new UsageError(
      "Cannot join: no token was given; expected --token-file FILE, or - for standard input",
    );
  const met = await meet(here, { address, token });
  const { role } = met.answer;
  refuseRole(here, { options, role });
  const flags = { ...options, role };
  const record = recordFor(here, met);
  const cluster = { record, config: met.answer.config };
  const asked = await open({ flags, cluster });
  const remote = asked.bundleProblem ? await findRemote(io, { session: asked, met, token }) : undefined;
  const session = remote
    ? await open({ flags, cluster, bundle: remoteBundle(remote, contentOf(asked)) })
    : asked;
  io.err(metText(met));
  await refuseHost(io, { session, joining: true, more: [...met.findings, ...bundleFindings(session, met)] });
  await rememberHost(session);
  if (!session.recorded) io.err(nodeText(session));
  const isFirst = !session.recorded;
  await prepare(session, { flags: await givenFlags(flags, "join"), files: clusterFiles(met) });
  try {
    await beAdmitted(session, { met, token, first: isFirst });
  } catch (error) {
    // What passes is like an interruption: the same command goes on with the same keys, and is not counted twice.
    if (isFirst && error instanceof JoinRefusal && !error.passing) await undo(session);
    throw error;
  }
  return remote;
}

/** What this host is from the moment that anything of it is changed. */
function recordFor({ ctx, recorded }: Session, { answer }: Met): ClusterRecord {
  if (recorded && recorded.clusterId !== answer.clusterId) {
    throw new UsageError(
      `Cannot join the cluster "${answer.clusterId}": this host was joining "${recorded.clusterId}" before`,
      { hint: "undo that with nodelet reset, then join" },
    );
  }
  const { name, ip, runtime } = ctx.node;
  return {
    clusterId: answer.clusterId,
    role: answer.role,
    nodeName: name,
    nodeIp: ip,
    joined: true,
    ...(recorded?.runtime && { runtime }),
    ...(recorded?.podCidr && { podCidr: recorded.podCidr }),
  };
}

function refuseRole({ recorded }: Session, { options, role }: { options: JoinOptions; role: string }): void {
  const wanted = (options["role"] as string | undefined) ?? recorded?.role;
  if (wanted === undefined || wanted === role) return;
  throw new UsageError(`Cannot join as a ${wanted}: the token is for a ${role}`, {
    hint: `make one on a master: nodelet token create --role ${wanted}`,
  });
}

/** A host with its own bundle must have the cluster's. */
function bundleFindings({ ctx }: Session, { answer }: Met): LevelledFinding[] {
  if (answer.bundle === "" || bundleDigest(ctx.bundle) === answer.bundle) return [];
  const message = `The bundle "${ctx.bundle.index.name}" of this host is another than that of the cluster`;
  const hint =
    "use the appliance that the masters were made from, or the program without a bundle: it takes theirs";
  return [{ level: "error", code: "JoinBundle", message, hint }];
}

function clusterFiles({ answer }: Met): AnyWanted[] {
  const peers = answer.peers.map(({ podCidr, ...peer }) => ({ ...peer, ...(podCidr && { podCidr }) }));
  const config = `# Written by "nodelet join": what all nodes of the cluster share.\n${stringify(answer.config)}`;
  return [
    { kind: "file", path: CLUSTER_CONFIG, content: config, mode: 0o600 },
    { kind: "file", path: paths.peers, content: peersText(peers), mode: 0o600 },
  ];
}

/** A host that was refused is left as it was. */
async function undo({ machine, journal }: Session): Promise<void> {
  const { undoRefused } = await import("./join-undo.ts");
  await undoRefused(machine, journal);
}

function metText({ answer, skewMs, client }: Met): string {
  const masters = answer.peers.filter(({ master }) => master).map(({ name, ip }) => `${name} (${ip})`);
  const clock = Math.abs(skewMs) < 1000 ? `${skewMs} ms` : `${(skewMs / 1000).toFixed(1)} s`;
  return `Cluster "${answer.clusterId}" at ${client.address.host}; masters: ${masters.join(", ")}; clocks differ by ${clock}\n`;
}

function doneText({ ctx }: Session, ms: number): string {
  const { node, config } = ctx;
  const self = commandName();
  return `Node "${node.name}" (${node.ip}) has joined as a ${config.role} after ${duration(ms)}.
Look at it:  ${self} status
Undo it:     ${self} reset
`;
}
