import type { Ctx } from "../ctx.ts";
import { networkPlugin } from "./plugins.ts";

/**
 * The MTU of the pods: the configured one, else what fits through the node's interface with all that the plugin adds.
 *
 * @returns undefined where the kernel's own default is right: the plugin adds nothing, or nothing is known of the interface
 */
export async function podMtu({
  host,
  config,
  node,
}: Pick<Ctx, "host" | "config" | "node">): Promise<number | undefined> {
  if (config.mtu) return config.mtu;
  const overhead = networkPlugin(config).overhead(config);
  if (overhead === 0 || !node.interface) return undefined;
  const mtu = Number(await host.read(`/sys/class/net/${node.interface}/mtu`));
  return mtu > overhead ? mtu - overhead : undefined;
}
