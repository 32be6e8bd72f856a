import type { Ctx } from "../ctx.ts";
import { REMOVED_ANNOTATION, REMOVED_BY_ANNOTATION } from "../daemon/removed.ts";
import { AppError } from "../errors.ts";
import type { EtcdClient, Member } from "../etcd/client.ts";
import { expectQuorumWithout, type MemberNode, memberOfNode, removeMember } from "../etcd/leave.ts";
import type { Accepts } from "../etcd/probe.ts";
import { forgetNode, readJoinState } from "../join/store.ts";
import type { KubeObject } from "../kube/client.ts";
import { deletePods, evictPods } from "../kube/drain.ts";
import { addressOf, isReady, kubeletPortOf } from "../kube/node.ts";
import type { Say } from "../runner/phase.ts";
import { type Poll, until, type WaitOptions } from "../runner/wait.ts";

/** A node on its way out of the cluster. */
export interface Departure {
  /** Of the master that this runs on. */
  ctx: Ctx;
  name: string;
  etcd: EtcdClient;
  accepts: Accepts;
  /** Its pods are deleted, not asked to go; and its kubelet may still run. */
  force: boolean;
  say: Say;
}

/** What there is of it. */
export interface Found {
  node: KubeObject | undefined;
  /** Only a master has one. */
  member: Member | undefined;
  /** Its address; undefined where nobody knows it. */
  ip: string | undefined;
  /** Its kubelet answers, or it is ready all the same. */
  alive: boolean;
}

/** What was done. */
export interface Removed {
  node: boolean;
  member: boolean;
  /** It was drained; false: its pods were deleted. */
  drained: boolean;
}

/** How long a node that lives has to stop by itself, in milliseconds. */
const STOP_MS = 180_000;
/** How long it has to take its own member out of etcd, which it does before its etcd stops. */
const LEAVE_MS = 60_000;
/** How long a node may be ready and silent: the API notices after 40 s. */
const UNCERTAIN_MS = 75_000;
/** So many looks in a row must find no Node. */
const STAYS_AWAY = 5;

/**
 * Looks for the node, and whether it may go. Nothing is changed.
 *
 * @throws AppError for an unknown node, this one, and a master without which there is no majority
 */
export async function lookAtDeparture(departure: Departure): Promise<Found> {
  const { ctx, name, etcd } = departure;
  const nodes = await ctx.kube.list("/api/v1/nodes");
  const members = await etcd.members();
  const node = nodes.find(({ metadata }) => metadata.name === name);
  const ip = (node && addressOf(node)) ?? (await admittedAt(ctx, name));
  const member = memberOfNode(members, memberNode(name, ip));
  if (!node && !member && ip === undefined) {
    const names = nodes.map(({ metadata }) => metadata.name).sort();
    throw new AppError(
      `Cannot remove the node "${name}": there is none of that name; the nodes are ${names.join(", ")}`,
    );
  }
  if (name === ctx.node.name) {
    const last = members.filter(({ learner }) => !learner).length === 1;
    throw new AppError(
      `Cannot remove the node "${name}": it is ${last ? "the last master" : "the one that this runs on"}`,
      { hint: last ? "nodelet reset ends the cluster" : "run it on another master, or nodelet reset here" },
    );
  }
  if (member) await expectQuorumWithout(member, { etcd, members });
  return { node, member, ip, alive: node !== undefined && (await isAlive(departure)) };
}

/** Address of a host that was admitted, and may have ended before there was a Node of it. */
async function admittedAt({ kube }: Departure["ctx"], name: string): Promise<string | undefined> {
  return (await readJoinState(kube)).nodes.find((record) => record.name === name)?.ip;
}

/**
 * The API says for most of a minute that a node is ready whose host is gone, and a kubelet that answers lives; where both differ
 * for longer, the API is believed, as this master may be the one that is cut off.
 */
async function isAlive(departure: Departure): Promise<boolean> {
  const { ctx, name } = departure;
  const end = ctx.clock.monotonic() + UNCERTAIN_MS;
  const look = async (): Promise<Poll<boolean>> => {
    const node = await ctx.kube.get(nodePath(name));
    if (!node) return { value: false };
    if (await kubeletRuns(departure, node)) return { value: true };
    if (!isReady(node) || ctx.clock.monotonic() >= end) return { value: isReady(node) };
    return { missing: `the kubelet of "${name}" does not answer, and the API has not noticed` };
  };
  return await wait(departure, look, { action: `tell whether "${name}" lives`, timeoutMs: UNCERTAIN_MS * 2 });
}

/** Takes the node out, step by step; a run that was cut off is completed by the next one. */
export async function removeNode(departure: Departure, found: Found): Promise<Removed> {
  const { ctx, name, etcd, say } = departure;
  const { node, ip, alive } = found;
  const drained = node ? await emptyNode(departure, found) : false;
  if (node) await mark(departure);
  if (found.member && alive) await waitToLeave(departure, found);
  const member = await removeMember(ctx, {
    etcd,
    ...memberNode(name, ip),
    what: `is removing "${name}"`,
    say,
  });
  // Before the Node goes: a run that is cut off here is still completed by the next one.
  await forgetNode(ctx.kube, { name, now: ctx.clock.now() });
  if (node) await waitToStop(departure, node);
  if (node) await deleteNode(departure);
  return { node: node !== undefined, member: member || found.member !== undefined, drained };
}

const nodePath = (name: string) => `/api/v1/nodes/${name}`;

async function emptyNode(departure: Departure, { alive }: Found): Promise<boolean> {
  const { ctx, name, force } = departure;
  await ctx.kube.patch(nodePath(name), { spec: { unschedulable: true } });
  if (alive && !force) {
    await wait(departure, () => evictPods(ctx, { node: name }), {
      action: `drain the node "${name}"`,
      timeoutMs: ctx.config.drainTimeoutSeconds * 1000,
      hint: "a PodDisruptionBudget may forbid it; --force deletes the pods",
    });
    return true;
  }
  await deletePods(ctx, { node: name });
  return false;
}

/** A daemon that sees this stops its node for good. */
async function mark({ ctx, name }: Departure): Promise<void> {
  const annotations = {
    [REMOVED_ANNOTATION]: "true",
    [REMOVED_BY_ANNOTATION]: `nodelet node remove on "${ctx.node.name}"`,
  };
  await ctx.kube.patch(nodePath(name), { metadata: { annotations } });
}

/**
 * A master that lives is told first and takes its member out by itself: its API server, by which it is told, needs its etcd.
 * One that does not in time is helped.
 */
async function waitToLeave(departure: Departure, { node, ip }: Found): Promise<void> {
  const { ctx, name, etcd } = departure;
  const end = ctx.clock.monotonic() + LEAVE_MS;
  const look = async (): Promise<Poll<true>> => {
    const gone = !memberOfNode(await etcd.members(), memberNode(name, ip));
    const down = node !== undefined && !(await kubeletRuns(departure, node));
    if (gone || down || ctx.clock.monotonic() >= end) return { value: true };
    return { missing: `"${name}" has not left etcd yet` };
  };
  await wait(departure, look, { action: `wait for "${name}"`, timeoutMs: LEAVE_MS * 2 });
}

/** A kubelet that runs would make the Node anew when it is started again, and go on with its pods until then. */
async function waitToStop(departure: Departure, node: KubeObject): Promise<void> {
  const { ctx, name, force } = departure;
  const look = async (): Promise<Poll<true>> =>
    (await kubeletRuns(departure, node))
      ? { missing: `the kubelet of "${name}" still runs` }
      : { value: true };
  if (force && "missing" in (await look()))
    return ctx.log.warn(`the kubelet of "${name}" still runs; stop it: nodelet reset`);
  await wait(departure, look, {
    action: `stop the node "${name}"`,
    timeoutMs: STOP_MS,
    hint: "run nodelet reset on it and this command again; --force goes on without",
  });
}

async function deleteNode(departure: Departure): Promise<void> {
  const { ctx, name } = departure;
  let away = 0;
  const look = async (): Promise<Poll<true>> => {
    const found = await ctx.kube.get(nodePath(name));
    away = found ? 0 : away + 1;
    if (away >= STAYS_AWAY) return { value: true };
    if (!found) return { missing: `the node "${name}" is gone` };
    const { status, body } = await ctx.kube.request("DELETE", nodePath(name));
    if (status < 300 || status === 404) return { missing: `the node "${name}" is being deleted` };
    throw new AppError(`Cannot delete the node "${name}": ${status} ${body.message ?? ""}`);
  };
  await wait(departure, look, {
    action: `delete the node "${name}"`,
    timeoutMs: 30_000,
    hint: "its kubelet still runs somewhere, and makes it anew",
  });
}

function memberNode(name: string, ip: string | undefined): MemberNode {
  return { node: name, ...(ip !== undefined && { ip }) };
}

async function kubeletRuns({ accepts }: Pick<Departure, "accepts">, node: KubeObject): Promise<boolean> {
  const host = addressOf(node);
  return host !== undefined && (await accepts({ host, port: kubeletPortOf(node) }));
}

function wait<T>(
  { ctx, say }: Departure,
  poll: () => Promise<Poll<T>>,
  options: Pick<WaitOptions, "action" | "timeoutMs" | "hint">,
): Promise<T> {
  return until(poll, { ...options, everyMs: 500, clock: ctx.clock, signal: ctx.signal, say });
}
