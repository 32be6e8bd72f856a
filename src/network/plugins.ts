import type { Ctx } from "../ctx.ts";
import type { Outcome } from "../host/host.ts";
import { bridge } from "./bridge.ts";
import { flannel } from "./flannel.ts";
import { calico, canal, weave } from "./manifest-plugins.ts";
import { removeManifest } from "./manifest/apply.ts";
import { type NetworkPlugin, stillPlugin } from "./plugin.ts";

/** Every network plugin, by the value of `networkPlugin`. */
const plugins: Readonly<Record<Ctx["config"]["networkPlugin"], NetworkPlugin>> = {
  bridge,
  noop: stillPlugin({ ownBridge: false }),
  flannel,
  calico,
  canal,
  weave,
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

/** A master takes out of the cluster what the manifest of an earlier plugin brought, where the wanted one has none. */
export async function leaveManifest(ctx: Ctx): Promise<Outcome> {
  const { config, host } = ctx;
  if (host.detached || config.role !== "master" || networkPlugin(config).manifest) return "unchanged";
  return await removeManifest(ctx);
}
