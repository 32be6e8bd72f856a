import { Resolver } from "node:dns/promises";
import type { Ctx } from "../src/ctx.ts";
import { sha256 } from "../src/host/hash.ts";
import { kubeFacts } from "../src/kube/versions.ts";
import { readPeers } from "../src/peers.ts";
import type { Phase } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";
import { COREDNS_DEPLOYMENT, corednsObjects } from "../static-pods/coredns.ts";

/** On the deployment: the digest of the objects that were applied with it. */
const APPLIED = "nodelet.pf9.io/applied";

/** The cluster's DNS answers with the address of the service `kubernetes`, through kube-proxy. */
export const validateDns: Phase = {
  id: "140-validate-dns",
  title: "Validate k8s DNS",
  roles: ["master"],
  followsPeers: true,
  async start(ctx) {
    if (ctx.host.detached) return "unchanged";
    const objects = corednsObjects({
      image: ctx.bundle.image("coredns").reference,
      dnsIp: ctx.node.dnsIp,
      clusterDomain: ctx.config.clusterDomain,
      nodes: (await readPeers(ctx)).length,
      masterTaint: kubeFacts(ctx.bundle.kubernetesVersion).masterTaint,
    });
    const digest = sha256(JSON.stringify(objects)).slice(0, 32);
    const found = await ctx.kube.get(COREDNS_DEPLOYMENT);
    if (found?.metadata.annotations?.[APPLIED] === digest) return "unchanged";
    for (const { path, object } of objects) {
      const metadata =
        path === COREDNS_DEPLOYMENT
          ? { ...object.metadata, annotations: { [APPLIED]: digest } }
          : object.metadata;
      await ctx.kube.apply(path, { ...object, metadata });
    }
    return "changed";
  },
  async ready(ctx, say) {
    if (ctx.host.detached || ctx.config.networkPlugin === "noop") return;
    await until(() => resolve(ctx), {
      action: "resolve names of the cluster",
      timeoutMs: 120_000,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: "see kubectl -n kube-system describe deployment coredns, and nodelet preflight for a packet filter in the way",
    });
  },
  stop: async () => "unchanged",
  async status(ctx) {
    const found = await resolve(ctx);
    // A kubelet that starts takes its pods out of their services until it has asked them.
    return "value" in found
      ? { state: "running" }
      : { state: "failed", message: found.missing, passing: true };
  },
};

async function resolve({ node, config }: Ctx): Promise<Poll<true>> {
  const name = `kubernetes.default.svc.${config.clusterDomain}`;
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([node.dnsIp]);
  const found = await resolver.resolve4(name).catch(() => [] as string[]);
  if (found.includes(node.apiServiceIp)) return { value: true };
  return {
    missing:
      found.length > 0
        ? `${name} is ${found.join(", ")}; expected ${node.apiServiceIp}`
        : `${node.dnsIp} does not resolve ${name}`,
  };
}
