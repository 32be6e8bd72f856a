import type { Ctx } from "../ctx.ts";
import { ensureAll } from "../host/host.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { readRoutes } from "../host/kinds/route.ts";
import { readPeers } from "../peers.ts";
import { interfaceMtu } from "./mtu.ts";
import { type NetworkPlugin, stillPlugin } from "./plugin.ts";
import { tunnelChain } from "./pod-chains.ts";
import { type PodRoutes, podRoutes, TUNNEL, TUNNEL_BYTES } from "./pod-routes.ts";

/** MTU of an interface that does not tell: Ethernet's. */
const USUAL_MTU = 1500;

const NO_TUNNEL: readonly AnyWanted[] = [{ kind: "tunnel", name: TUNNEL }, tunnelChain([])];

/** The kernel does it all: nodelet sets the routes to the pods of other nodes, and a tunnel for those on other networks. */
export const bridge: NetworkPlugin = {
  ...stillPlugin({ ownBridge: true }),
  overhead: ({ podNetworkBackend }) => (podNetworkBackend === "host-gw" ? 0 : TUNNEL_BYTES),
  async prepare(ctx) {
    const { routes, tunnel, left } = await plan(ctx);
    for (const line of left) ctx.log.warn(`no route to the pods of ${line}`);
    const routing: AnyWanted = { kind: "peerRoutes", routes };
    if (!tunnel) return [routing, ...NO_TUNNEL];
    return [
      { kind: "module", name: "vxlan", proof: "/sys/module/vxlan" },
      tunnelChain(routes.flatMap((route) => route.tunnel?.to ?? [])),
      { kind: "tunnel", name: TUNNEL, link: tunnel },
      routing,
    ];
  },
  async missing(ctx) {
    const [{ routes }, found] = await Promise.all([plan(ctx), readRoutes(ctx.host)]);
    const missing = routes.find(({ destination }) => !found.some(({ cidr }) => cidr === destination));
    return missing && `there is no route to the pods of another node (${missing.destination})`;
  },
  // A stop leaves the routes: they cost nothing, and a kubelet that starts anew must not cut off its pods.
  leave: async ({ host }) => await ensureAll(host, [{ kind: "peerRoutes", routes: [] }, ...NO_TUNNEL]),
};

async function plan(ctx: Ctx): Promise<PodRoutes> {
  const [peers, hostRoutes, mtu] = await Promise.all([
    readPeers(ctx),
    readRoutes(ctx.host),
    interfaceMtu(ctx),
  ]);
  return podRoutes({ ...ctx, peers, hostRoutes, mtu: mtu ?? USUAL_MTU });
}
