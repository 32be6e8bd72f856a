import type { Ctx } from "../ctx.ts";
import { hasRead } from "../docker/configured.ts";
import { listsPeer } from "../docker/keepalived.ts";
import { messageOf } from "../errors.ts";
import { isAnswered } from "../host/answered.ts";
import { writeAtomically } from "../host/atomic.ts";
import { reachable } from "../host/port.ts";
import { otherMasters, type Peer, peersText, withMasters } from "../peers.ts";
import type { Say } from "../runner/phase.ts";
import { type Poll, until } from "../runner/wait.ts";
import { JoinClient } from "./client.ts";
import { clusterNodes, peersOf } from "./cluster-nodes.ts";
import { ownIdentity } from "./member.ts";

/** A master that follows the cluster has a new one in its keepalived within seconds; in milliseconds. */
const WAIT_MS = 30_000;
/** An address that nobody answers at for this long has no holder: keepalived gives it up after three seconds. In milliseconds. */
const SILENT_MS = 5_000;
/** A master that is well answers at once; in milliseconds. */
const ASK_MS = 3_000;

/** How the others are asked; all of it can be replaced in a test. */
export interface ListedWays {
  /** True when the master has this one among the peers of its keepalived. @throws when it does not say */
  listed(master: Peer): Promise<boolean>;
  /** Something of the master accepts connections. */
  lives(master: Peer): Promise<boolean>;
  /** Somebody answers at the address that the masters have in common. */
  held(): Promise<boolean>;
}

/** What a master answers to one that asks whether it is listed: it knows it, and its keepalived has read so where there is one. */
export async function listsMaster(
  ctx: Pick<Ctx, "host" | "node" | "config" | "paths">,
  ip: string,
): Promise<boolean> {
  const { host, paths } = ctx;
  if (!(await otherMasters(ctx)).some((one) => one.ip === ip)) return false;
  const text = await host.read(`${paths.keepalived}/keepalived.conf`);
  return text === undefined || (listsPeer(text, ip) && (await hasRead(ctx, { name: "keepalived" })));
}

/**
 * Why this master may not start keepalived yet. A master that does not have it among its peers neither hears it nor speaks to it: both
 * would hold the address. Asked until each has said once that it does; from then on they keep it, until it is removed.
 *
 * @returns words, or undefined when it may: all say so, or nobody has the address
 */
export async function whyNotListed(ctx: Ctx, ways: ListedWays = waysOf(ctx)): Promise<string | undefined> {
  if (await isListed(ctx)) return undefined;
  const why = await unlistedBy(ctx, { ways });
  return why === undefined || !(await ways.held()) ? undefined : why;
}

/**
 * Waits until this master may start keepalived, for half a minute: in the order of things the others learn of it in a second or two.
 *
 * @returns why it may not even then; undefined when it may
 */
export async function awaitListed(
  ctx: Ctx,
  { say, ways = waysOf(ctx) }: { say?: Say; ways?: ListedWays } = {},
): Promise<string | undefined> {
  if (await isListed(ctx)) return undefined;
  const { clock, signal } = ctx;
  const end = clock.monotonic() + WAIT_MS;
  let silentSince: number | undefined;
  const poll = async (): Promise<Poll<{ why: string | undefined }>> => {
    const why = await unlistedBy(ctx, { ways, learn: true });
    if (why === undefined) return { value: { why } };
    silentSince = (await ways.held()) ? undefined : (silentSince ?? clock.monotonic());
    const now = clock.monotonic();
    // Whoever is not well has no need of it; nobody waits for another for ever.
    if (silentSince !== undefined && now - silentSince >= SILENT_MS) return { value: { why: undefined } };
    return now >= end ? { value: { why } } : { missing: `waits for its place beside the holder: ${why}` };
  };
  const { why } = await until(poll, {
    action: "become known to the other masters",
    timeoutMs: WAIT_MS * 2,
    everyMs: 500,
    clock,
    signal,
    ...(say && { say }),
  });
  if (why === undefined)
    await ctx.host.ensure({ kind: "file", path: ctx.paths.keepalivedListed, content: "", mode: 0o600 });
  return why;
}

/** The first master has nobody to ask: whoever comes later asks it. */
async function isListed({ host, node, paths }: Ctx): Promise<boolean> {
  return !node.joined || (await host.exists(paths.keepalivedListed));
}

/** @param options `learn`: masters that this one does not know yet are added to its peers */
async function unlistedBy(
  ctx: Ctx,
  { ways, learn = false }: { ways: ListedWays; learn?: boolean },
): Promise<string | undefined> {
  const nodes = await clusterNodes(ctx).catch((error: unknown) => messageOf(error));
  if (typeof nodes === "string") return nodes;
  // Of two that come at the same time the one whose Node is there later sees the other.
  const known = peersOf(nodes, ctx);
  if (!known.some(({ name, master }) => master && name === ctx.node.name))
    return "the cluster does not know this master yet";
  const others = withMasters(
    known.filter(({ name }) => name !== ctx.node.name),
    await otherMasters(ctx),
  );
  if (learn) await keepPeers(ctx, others);
  const all = await Promise.all(others.filter(({ master }) => master).map((master) => whyNot(master, ways)));
  return all.find((why) => why !== undefined);
}

/** A join knows who was there at its begin; who has come since must be in this master's own keepalived as well. */
async function keepPeers(ctx: Ctx, others: readonly Peer[]): Promise<void> {
  const masters = await otherMasters(ctx);
  const isNew = ({ name, master }: Peer) => master && !masters.some((one) => one.name === name);
  // As the daemon does, which goes on with it: what phases declare must not change without them.
  if (others.some(isNew))
    await writeAtomically(ctx.host.place(ctx.paths.peers), peersText(others), { mode: 0o600 });
}

async function whyNot(master: Peer, ways: ListedWays): Promise<string | undefined> {
  const who = `the master "${master.name}" (${master.ip})`;
  try {
    if (await ways.listed(master)) return undefined;
    return `${who} does not have this one among the peers of its keepalived; see nodelet status there`;
  } catch (error) {
    // Where nothing runs, nothing holds the address; when it is back it learns of this one before its API server is well.
    if (!(await ways.lives(master))) return undefined;
    return `${who} does not say whether it has this one among the peers of its keepalived: ${messageOf(error)}`;
  }
}

function waysOf(ctx: Ctx): ListedWays {
  const { config } = ctx;
  return {
    async listed({ ip }) {
      const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(ASK_MS)]);
      const client = new JoinClient(
        { host: ip, port: config.joinPort },
        { ...(await ownIdentity(ctx)), signal },
      );
      return await client.listed();
    },
    lives: async ({ ip }) => {
      const { joinPort, apiPort, etcdClientPort, etcdPeerPort } = config;
      return (await reachable(ip, [joinPort, apiPort, etcdClientPort, etcdPeerPort, 10250])).length > 0;
    },
    held: async () => await isAnswered(config.masterVip ?? "", config.apiPort),
  };
}
