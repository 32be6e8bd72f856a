import type { Ctx } from "../src/ctx.ts";
import { type Configured, ensureConfigured, isCurrent, removeConfigured } from "../src/docker/configured.ts";
import { heldBy, keepalived } from "../src/docker/keepalived.ts";
import { type Outcome, readRequired } from "../src/host/host.ts";
import { type AddressWanted, dropAddress } from "../src/host/kinds/address.ts";
import { awaitListed, whyNotListed } from "../src/join/listed.ts";
import { otherMasters } from "../src/peers.ts";
import type { Phase } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";

/**
 * The address that the masters have in common, on a master whose API server is well. A container and not a static pod: the
 * address must not depend on the kubelet, nor on the API that it leads to.
 */
export const keepalivedStart: Phase = {
  id: "180-configure-start-keepalived",
  title: "Configure and start Keepalived",
  roles: ["master"],
  // The other masters learn of a new one by its label; and without an API server that is well nobody takes the address.
  needs: ["030-prepare-kube-configs", "048-load-images", "110-label-taint-node"],
  followsPeers: true,
  async start(ctx, say) {
    const held = heldOf(ctx);
    if (!held) return await remove(ctx);
    const why = (await mayStart(ctx)) ? undefined : await awaitListed(ctx, { ...(say && { say }) });
    if (why !== undefined) {
      ctx.log.warn(`keepalived: not started yet: ${why}`);
      return "unchanged";
    }
    const configured = await wanted(ctx, held);
    // A program that is killed leaves the address behind.
    await ctx.host.ensure({ kind: "address", ...held });
    return await ensureConfigured(ctx, configured);
  },
  async ready(ctx, say) {
    if (ctx.host.detached || !heldOf(ctx) || (await waits(ctx))) return;
    await until(() => poll(ctx), {
      action: "start keepalived",
      timeoutMs: 60_000,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: "see docker logs keepalived",
    });
  },
  stop: remove,
  async status(ctx) {
    const held = heldOf(ctx);
    const container = await ctx.docker.inspect("keepalived");
    if (!held) {
      if (!container) return { state: "running", message: "not configured" };
      return { state: "failed", message: "keepalived runs, and masterVip is not set" };
    }
    if (!container) {
      // Nothing is wrong with this node, and nothing that it could start anew would help.
      const why = await whyNotListed(ctx);
      if (why !== undefined) return { state: "running", message: `not started yet: ${why}` };
      return { state: "stopped", message: "there is no container keepalived" };
    }
    const found = await poll(ctx);
    if ("missing" in found) return { state: "failed", message: found.missing };
    if (await isCurrent(ctx, await wanted(ctx, held))) return { state: "running" };
    return { state: "failed", message: "keepalived does not have the masters of the cluster" };
  },
};

/** One that runs goes on, whoever answers; a plan shows what would be. */
async function mayStart({ host, docker }: Ctx): Promise<boolean> {
  return host.detached || ((await docker.inspect("keepalived"))?.running ?? false);
}

/** It was not started, because another master would not know of it. */
async function waits(ctx: Ctx): Promise<boolean> {
  if (await ctx.docker.inspect("keepalived")) return false;
  return (await whyNotListed(ctx)) !== undefined;
}

/** Undefined where the masters have no address in common. */
function heldOf({ config }: Ctx): AddressWanted | undefined {
  const { masterVip: address, masterVipInterface: name } = config;
  return address === undefined || name === undefined ? undefined : { address, interface: name };
}

async function wanted(ctx: Ctx, held: AddressWanted): Promise<Configured> {
  const read = (name: string) => readRequired(ctx.host, `${ctx.paths.certs}/${name}`);
  const [others, ca, cert, key] = await Promise.all([
    otherMasters(ctx),
    read("ca.crt"),
    read("health-check.crt"),
    read("health-check.key"),
  ]);
  return keepalived(ctx, { held, others: others.map(({ ip }) => ip), ca, cert, key });
}

/** Which address there was is in the configuration that goes with it, whatever the node's own says by now. */
async function remove(ctx: Ctx): Promise<Outcome> {
  const dir = ctx.paths.keepalived;
  const held = heldBy((await ctx.host.read(`${dir}/keepalived.conf`)) ?? "");
  const outcome = await removeConfigured(ctx, { name: "keepalived", dir });
  if (ctx.host.detached) return outcome;
  const dropped = await Promise.all(held.map((one) => dropAddress(ctx.host, one)));
  return [outcome, ...dropped].includes("changed") ? "changed" : "unchanged";
}

async function poll({ docker }: Ctx): Promise<Poll<true>> {
  const container = await docker.inspect("keepalived");
  if (container?.running) return { value: true };
  return { missing: `the container keepalived is ${container?.status ?? "not there"}` };
}
