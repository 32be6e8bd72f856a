import type { Ctx } from "../src/ctx.ts";
import { balancer } from "../src/docker/balancer.ts";
import { type Configured, ensureConfigured, isCurrent, removeConfigured } from "../src/docker/configured.ts";
import { readRequired } from "../src/host/host.ts";
import { accepts } from "../src/host/port.ts";
import { readPeers } from "../src/peers.ts";
import type { Phase } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";

/**
 * The way of this node to the API: a load balancer on loopback that leads to a master that is well. Kubeconfigs name it, so
 * that none of them changes when masters come and go.
 *
 * The kubelet is started beside it and asks again by itself; nothing waits for this phase that does not have to.
 */
export const loadBalancer: Phase = {
  id: "057-load-balancer",
  title: "Start the API load balancer",
  roles: ["master", "worker"],
  needs: ["030-prepare-kube-configs", "048-load-images"],
  followsPeers: true,
  start: async (ctx) => await ensureConfigured(ctx, await wanted(ctx)),
  async ready(ctx, say) {
    if (ctx.host.detached) return;
    await until(() => poll(ctx), {
      action: "start the load balancer",
      timeoutMs: 60_000,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: "see docker logs balancer",
    });
  },
  stop: (ctx) => removeConfigured(ctx, { name: "balancer", dir: ctx.paths.balancer }),
  async status(ctx) {
    const container = await ctx.docker.inspect("balancer");
    if (!container) return { state: "stopped", message: "there is no container balancer" };
    const found = await poll(ctx);
    if ("missing" in found) return { state: "failed", message: found.missing };
    if (await isCurrent(ctx, await wanted(ctx))) return { state: "running" };
    return { state: "failed", message: "the load balancer does not have the masters of the cluster" };
  },
};

async function wanted(ctx: Ctx): Promise<Configured> {
  const read = (name: string) => readRequired(ctx.host, `${ctx.paths.certs}/${name}`);
  const [peers, ca, cert, key] = await Promise.all([
    readPeers(ctx),
    read("ca.crt"),
    read("health-check.crt"),
    read("health-check.key"),
  ]);
  return balancer(ctx, { masters: peers.filter(({ master }) => master), ca, cert, key });
}

async function poll({ docker, config }: Ctx): Promise<Poll<true>> {
  const container = await docker.inspect("balancer");
  if (!container?.running)
    return { missing: `the container balancer is ${container?.status ?? "not there"}` };
  const { balancerPort: port } = config;
  return (await accepts({ host: "127.0.0.1", port }))
    ? { value: true }
    : { missing: `nobody listens on 127.0.0.1:${port}` };
}
