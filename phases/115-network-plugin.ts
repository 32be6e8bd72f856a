import { leaveManifest, networkPlugin } from "../src/network/plugins.ts";
import type { Phase } from "../src/runner/phase.ts";

/** What of the network plugin runs: on this node, or in the cluster. */
export const networkPluginStart: Phase = {
  id: "115-network-plugin",
  title: "Start the network plugin",
  roles: ["master", "worker"],
  // The API has the node's block of pod addresses from the phase before.
  needs: ["048-load-images", "065-cni-configure", "110-label-taint-node"],
  async start(ctx, say) {
    const left = await leaveManifest(ctx);
    const outcome = await networkPlugin(ctx.config).start(ctx, say);
    return left === "changed" ? left : outcome;
  },
  async ready(ctx, say) {
    if (!ctx.host.detached) await networkPlugin(ctx.config).ready(ctx, say);
  },
  stop: (ctx) => networkPlugin(ctx.config).stop(ctx),
  status: (ctx) => networkPlugin(ctx.config).status(ctx),
};
