import { isReady, nodePath, whyNotReady } from "../src/kube/node.ts";
import type { Phase } from "../src/runner/phase.ts";
import { until } from "../src/runner/wait.ts";

/** Says on the Node object that nodelet cordoned it, so that an operator's own cordon is left alone. */
export const CORDONED = "nodelet.pf9.io/cordoned";

/** The node takes pods: it is ready, and not cordoned by an earlier stop. */
export const uncordonNode: Phase = {
  id: "130-uncordon-node",
  title: "Uncordon node",
  roles: ["master", "worker"],
  async start(ctx) {
    if (ctx.host.detached) return "unchanged";
    const node = await ctx.kube.get(nodePath(ctx));
    if (!node?.metadata.annotations?.[CORDONED]) return "unchanged";
    await ctx.kube.patch(nodePath(ctx), {
      metadata: { annotations: { [CORDONED]: null } },
      spec: { unschedulable: null },
    });
    return "changed";
  },
  async ready(ctx, say) {
    // Without a network plugin of ours it may be long before the node is ready.
    if (ctx.host.detached || ctx.config.networkPlugin === "noop") return;
    await until(
      async () => {
        const node = await ctx.kube.get(nodePath(ctx));
        return node && isReady(node)
          ? { value: true }
          : { missing: `the node is not ready: ${node ? whyNotReady(node) : "absent"}` };
      },
      {
        action: "bring the node to Ready",
        timeoutMs: 120_000,
        clock: ctx.clock,
        signal: ctx.signal,
        say,
        hint: 'see "journalctl -u pf9-kubelet"',
      },
    );
  },
  stop: async () => "unchanged",
  async status(ctx) {
    const node = await ctx.kube.get(nodePath(ctx));
    if (!node) return { state: "stopped", message: "the node is not in the cluster" };
    if (node.metadata.annotations?.[CORDONED]) return { state: "stopped", message: "the node is cordoned" };
    return isReady(node) ? { state: "running" } : { state: "failed", message: whyNotReady(node) };
  },
};
