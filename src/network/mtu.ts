import type { Ctx } from "../ctx.ts";
import { networkPlugin } from "./plugins.ts";

/**
 * The MTU of the pods: the configured one, else what fits through the node's interface with all that the plugin adds.
 *
 * @returns undefined where nothing is known of the interface
 */
export async function podMtu(ctx: Pick<Ctx, "host" | "config" | "node">): Promise<number | undefined> {
  const { config } = ctx;
  if (config.mtu) return config.mtu;
  const overhead = networkPlugin(config).overhead(config);
  const mtu = await interfaceMtu(ctx);
  return mtu !== undefined && mtu > overhead ? mtu - overhead : undefined;
}

/** MTU of the node's interface, in bytes; undefined where the host does not tell. */
export async function interfaceMtu({ host, node }: Pick<Ctx, "host" | "node">): Promise<number | undefined> {
  if (!node.interface) return undefined;
  return Number(await host.read(`/sys/class/net/${node.interface}/mtu`)) || undefined;
}
