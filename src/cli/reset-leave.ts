import type { Ctx } from "../ctx.ts";
import { AppError, messageOf } from "../errors.ts";
import { leaveMembers } from "../etcd/leave.ts";
import { hasVote } from "../etcd/own.ts";
import { askMasters } from "../join/member.ts";
import { forgetNode } from "../join/store.ts";
import { type Kube, kubeClient } from "../kube/client.ts";
import { nodePath } from "../kube/node.ts";
import { paths } from "../paths.ts";
import { otherMasters } from "../peers.ts";
import type { Io } from "./io.ts";
import { type LeaveCall, openLeaving, refusal, type Way } from "./reset-judge.ts";
import type { Session } from "./session.ts";

/** Deadlines in milliseconds, each of its own: who is asked in vain takes nothing from what comes after. */
const WORKER_MS = 20_000;
const FORGET_MS = 15_000;
/** Of them, for one API server. */
const SERVER_MS = 5_000;
const DROP_MS = 60_000;
/** Above all that leaving etcd, and what comes before it, may wait for by itself. */
const LEAVE_MS = 300_000;

/** The phase that holds the address which the masters have in common. */
const ADDRESS_PHASE = "180-configure-start-keepalived";

/**
 * A node of several leaves its cluster before it is undone: a member of etcd that does not come back would cost the others their majority
 * sooner, and a Node that nobody runs would stay in every list. What keeps a worker from leaving keeps nobody from a reset: it is told, with
 * the way to have it removed later.
 *
 * @param options `end`: ends what keeps the node as it was declared, which must not see how it leaves
 * @throws AppError for a master with a vote that could not leave, unless the cluster is abandoned
 */
export async function leaveCluster(
  io: Io,
  { options, way, end }: Pick<LeaveCall, "options"> & { way: Way; end: () => Promise<void> },
): Promise<void> {
  if (way === "stay") return;
  if (way === "worker") await end();
  let name = "NAME";
  try {
    const { ctx } = await openLeaving(io, { options, ms: way === "worker" ? WORKER_MS : LEAVE_MS });
    name = ctx.node.name;
    if (way === "worker") await askMasters(ctx, (master) => master.leave());
    else await leaveAsMaster(io, { options, ctx, end });
  } catch (error) {
    if (error instanceof VoteStays) throw error.why;
    io.err(
      `warning: This node could not leave its cluster: ${messageOf(error)}\n  run on a master that is left: nodelet node remove ${name}\n`,
    );
  }
}

/** The member of this node has a vote, and is still in the list. */
class VoteStays extends Error {
  constructor(readonly why: AppError) {
    super();
  }
}

/**
 * Under the lock on the members, when nothing stands in the way: who sees this node leave takes it out of its own lists, so what it has of
 * the others' goes first.
 */
async function leaveAsMaster(
  io: Io,
  { options, ctx, end }: { options: LeaveCall["options"]; ctx: Ctx; end: () => Promise<void> },
): Promise<void> {
  const problems: unknown[] = [];
  const told = (error: unknown) => void problems.push(error);
  const before = async () => {
    await end();
    // What cannot be dropped is told by the undoing.
    await dropAddress(await openLeaving(io, { options, ms: DROP_MS })).catch(() => {});
    await forget((await openLeaving(io, { options, ms: FORGET_MS })).ctx).catch(told);
  };
  try {
    await leaveMembers(ctx, { before });
  } catch (error) {
    if (options.abandonCluster || !(await hasVote(ctx))) throw error;
    throw new VoteStays(
      refusal({ name: ctx.node.name, why: `it could not leave etcd: ${messageOf(error)}` }),
    );
  }
  if (problems.length > 0) throw problems[0];
}

/** The others forget this node at once, and one of them takes the address: this one must not have it any more by then. */
async function dropAddress({ ctx, phases }: Session): Promise<void> {
  await phases.find(({ id }) => id === ADDRESS_PHASE)?.stop(ctx, () => {});
}

/** Takes this node out of the cluster's lists, at its own API server or, where that is not up, another master's. */
async function forget(ctx: Ctx): Promise<void> {
  const { host, signal, config } = ctx;
  const at = (name: string) => `${paths.certs}/${name}`;
  const certs = { ca: at("ca.crt"), cert: at("admin.crt"), key: at("admin.key") };
  const servers = ["127.0.0.1", ...(await otherMasters(ctx)).map(({ ip }) => ip)];
  const work = async (kube: Kube) => {
    await forgetNode(kube, { name: ctx.node.name, now: ctx.clock.now() });
    const { status, body } = await kube.request("DELETE", nodePath(ctx));
    if (status >= 300 && status !== 404)
      throw new AppError(`Cannot delete the node "${ctx.node.name}": ${status} ${body.message ?? ""}`);
  };
  let problem: unknown;
  for (const ip of servers) {
    const server = `https://${ip}:${config.apiPort}`;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(SERVER_MS)]);
    try {
      return await work(kubeClient({ host, server, certs, signal: deadline }));
    } catch (error) {
      problem ??= error;
    }
  }
  throw problem;
}
