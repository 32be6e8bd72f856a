import type { Ctx } from "../ctx.ts";
import type { Outcome } from "../host/host.ts";
import { bridge } from "./bridge.ts";
import { flannel } from "./flannel.ts";
import { type NetworkPlugin, stillPlugin } from "./plugin.ts";

/** Every network plugin, by the value of `networkPlugin`. */
const plugins: Readonly<Record<Ctx["config"]["networkPlugin"], NetworkPlugin>> = {
  bridge,
  noop: stillPlugin({ ownBridge: false }),
  flannel,
};

/** The network plugin of a node. */
export function networkPlugin({ networkPlugin: name }: Pick<Ctx["config"], "networkPlugin">): NetworkPlugin {
  return plugins[name];
}

/** Takes away what another plugin left on this node, before the wanted one begins. */
export async function leaveOtherPlugins(ctx: Ctx): Promise<Outcome> {
  const wanted = networkPlugin(ctx.config);
  let outcome: Outcome = "unchanged";
  for (const other of Object.values(plugins)) {
    if (other === wanted) continue;
    const left = await (other.leave ?? other.stop)(ctx);
    if (left === "changed") outcome = left;
  }
  return outcome;
}
