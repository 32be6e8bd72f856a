import type { Ctx } from "../src/ctx.ts";
import { AppError, InterruptedError, messageOf } from "../src/errors.ts";
import { etcdContainer } from "../src/docker/etcd-container.ts";
import { clientUrl, etcdClient } from "../src/etcd/client.ts";
import { type EtcdHealth, etcdHealth } from "../src/etcd/health.ts";
import { lastWords } from "../src/etcd/last-words.ts";
import { leaveMembers } from "../src/etcd/leave.ts";
import { settleMember } from "../src/etcd/member.ts";
import { hasVote } from "../src/etcd/own.ts";
import { readRecord } from "../src/etcd/record.ts";
import type { Outcome } from "../src/host/host.ts";
import { otherMasters } from "../src/peers.ts";
import { votesYet } from "../src/removal.ts";
import type { Phase, Say } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";

/** etcd as a container, with mutual TLS on every port; a master that comes to others becomes a member of theirs first. */
export const etcdRun: Phase = {
  id: "055-etcd-run",
  title: "Start etcd",
  roles: ["master"],
  needs: ["020-gen-certs", "048-load-images", "050-etcd-configure"],
  start,
  async ready(ctx, say) {
    if (ctx.host.detached) return;
    await until(() => poll(ctx), {
      action: "start etcd",
      timeoutMs: 120_000,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: "see docker logs etcd",
    });
  },
  async stop(ctx, say) {
    if (!ctx.host.detached && (await ctx.host.exists(ctx.paths.removed))) await leave(ctx, say);
    return await ctx.host.ensure({ kind: "container", name: "etcd" });
  },
  async status(ctx) {
    const container = await ctx.docker.inspect("etcd");
    if (!container) return { state: "stopped", message: "there is no container etcd" };
    if (!container.running) return { state: "failed", message: `the container etcd is ${container.status}` };
    const missing = whatIsMissing(await health(ctx), ctx);
    if (!missing) return { state: "running" };
    const why = (await isAlone(ctx)) ? ({ elsewhere: true } as const) : {};
    // It gives up its own question after a second, on a disk that is slow for a moment, and elects a leader in about one.
    return { state: "failed", message: missing, passing: true, ...why };
  },
};

/**
 * A node that was taken out of the cluster goes while it still has its vote: two voters need both to let one go. One that ended before it has
 * left could cost the others their majority, so it runs on until then.
 *
 * @throws AppError when it still votes
 */
async function leave(ctx: Ctx, say: Say): Promise<void> {
  try {
    await leaveMembers(ctx, { say });
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    if (!(await votesYet(ctx)) || !(await hasVote(ctx))) return ctx.log.warn(messageOf(error));
    throw new AppError(
      `etcd runs on, as its member "${ctx.node.name}" has not left the others: ${messageOf(error)}`,
      {
        hint: "it is tried again; nodelet node remove on another master helps; where no other master is left: nodelet reset --abandon-cluster",
      },
    );
  }
}

async function start(ctx: Ctx, say?: Say): Promise<Outcome> {
  const settled = ctx.host.detached ? "unchanged" : await settleMember(ctx, { ...(say && { say }) });
  const spec = etcdContainer(ctx, await readRecord(ctx));
  const run = await ctx.host.ensure({ kind: "container", name: "etcd", spec });
  return settled === "changed" ? settled : run;
}

/** This member works, and too few of the others do for a leader. */
async function isAlone(ctx: Ctx): Promise<boolean> {
  if ((await otherMasters(ctx)).length === 0) return false;
  const url = clientUrl("127.0.0.1", ctx);
  const own = await etcdClient(ctx, [url]).status(url);
  return own !== undefined && own.leader === undefined;
}

const health = (ctx: Ctx) => etcdHealth(ctx.host, { port: ctx.config.etcdClientPort, signal: ctx.signal });

async function poll(ctx: Ctx): Promise<Poll<true>> {
  const container = await ctx.docker.inspect("etcd");
  // Docker starts it again and again; what it says is the reason, so there is nothing to wait for.
  if (container && !container.running && container.exitCode !== 0) {
    throw new AppError(`etcd ended with code ${container.exitCode}; it says: ${await lastWords(ctx.docker)}`);
  }
  const missing = whatIsMissing(await health(ctx), ctx);
  return missing ? { missing } : { value: true };
}

/** The member of this node must be in the list and have started; that is more than an answer on a port. */
function whatIsMissing(found: EtcdHealth, ctx: Ctx): string | undefined {
  if ("missing" in found) return found.missing;
  const started = found.members.filter((member) => member.name);
  if (started.some((member) => member.name === ctx.node.name)) return undefined;
  return `${started.length}/${found.members.length} members started; "${ctx.node.name}" is not among them`;
}
