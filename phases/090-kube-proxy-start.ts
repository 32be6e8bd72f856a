import { accessSync, constants } from "node:fs";
import { stringify } from "yaml";
import type { Ctx } from "../src/ctx.ts";
import { kubeProxyConfiguration, kubeProxyContainer } from "../src/docker/kube-proxy-container.ts";
import { sha256 } from "../src/host/hash.ts";
import { ensureAll, readRequired } from "../src/host/host.ts";
import { isHealthy, KUBE_PROXY_HEALTH } from "../src/kube/health.ts";
import { hasRoute, servicesRoute } from "../src/kube/services-route.ts";
import type { Phase } from "../src/runner/phase.ts";
import { until } from "../src/runner/wait.ts";

/** The lock that iptables takes, on the host and in the container. */
const XTABLES_LOCK = "/run/xtables.lock";

/** What systemd makes at each boot, before it starts Docker. */
const TMPFILES = "/etc/tmpfiles.d/pf9-nodelet.conf";

/** kube-proxy as a container. */
export const kubeProxyStart: Phase = {
  id: "090-kube-proxy-start",
  title: "Configure and start kube-proxy",
  roles: ["master", "worker"],
  needs: ["030-prepare-kube-configs", "048-load-images", "057-load-balancer", "060-network-configure"],
  async start(ctx) {
    const { host, paths } = ctx;
    const content = stringify(
      kubeProxyConfiguration(ctx, {
        conntrackWritable: canWrite("/proc/sys/net/netfilter/nf_conntrack_max"),
      }),
    );
    const kubeconfig = await readRequired(host, `${paths.kubeconfigs}/kube-proxy.yaml`);
    const inputs = sha256(content + kubeconfig).slice(0, 32);
    const hasModules = canRead("/lib/modules");
    await apiServer(ctx);
    return await ensureAll(host, [
      // A bind mount of a file that is not there would make a directory of it; at the next boot too, when /run is empty and
      // Docker starts the container by itself.
      { kind: "dir", path: "/etc/tmpfiles.d", mode: 0o755 },
      { kind: "file", path: TMPFILES, content: `f ${XTABLES_LOCK} 0600 root root -\n`, mode: 0o644 },
      { kind: "dir", path: "/run", mode: 0o755 },
      { kind: "file", path: XTABLES_LOCK, content: "", mode: 0o600 },
      { kind: "file", path: `${paths.configs}/kube-proxy.yaml`, content, mode: 0o600 },
      ...(await servicesRoute(ctx)),
      { kind: "container", name: "proxy", spec: kubeProxyContainer(ctx, { inputs, hasModules }) },
    ]);
  },
  async ready(ctx, say) {
    if (ctx.host.detached) return;
    await until(
      async () =>
        (await isHealthy(KUBE_PROXY_HEALTH, ctx))
          ? { value: true }
          : { missing: "kube-proxy is not healthy on port 10256" },
      {
        action: "start kube-proxy",
        timeoutMs: 120_000,
        clock: ctx.clock,
        signal: ctx.signal,
        say,
        hint: "see docker logs proxy",
      },
    );
  },
  stop: (ctx) => ctx.host.ensure({ kind: "container", name: "proxy" }),
  async status(ctx) {
    const container = await ctx.docker.inspect("proxy");
    if (!container) return { state: "stopped", message: "there is no container proxy" };
    if (!container.running) return { state: "failed", message: `the container proxy is ${container.status}` };
    if (!(await hasRoute(ctx)))
      return { state: "failed", message: `there is no route to services (${ctx.config.servicesCidr})` };
    return (await isHealthy(KUBE_PROXY_HEALTH, ctx))
      ? { state: "running" }
      : { state: "failed", message: "kube-proxy is not healthy on port 10256" };
  },
};

/**
 * A kube-proxy that finds no API server, or one that has not made its roles yet, asks again only after up to half a minute.
 * The phase that waits for the control plane tells what is wrong with it, and does so before this deadline.
 */
async function apiServer(ctx: Ctx): Promise<void> {
  if (ctx.host.detached || ctx.config.role !== "master") return;
  await until(
    async () => ((await ctx.kube.ready()) ? { value: true } : { missing: "kube-apiserver is not ready" }),
    {
      action: "start kube-proxy",
      timeoutMs: 300_000,
      clock: ctx.clock,
      signal: ctx.signal,
      hint: "see nodelet phases status -p 100",
    },
  );
}

function canWrite(path: string): boolean {
  return can(path, constants.W_OK);
}

function canRead(path: string): boolean {
  return can(path, constants.R_OK);
}

function can(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
