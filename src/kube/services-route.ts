import { contains, parseCidr } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { readRoutes } from "../host/kinds/route.ts";

/**
 * The route that lets programs of the host reach services. Their addresses are rewritten on the way out, but the kernel looks for a
 * way to them first, and on a host without a default route it finds none.
 *
 * @returns nothing where another route leads there
 */
export async function servicesRoute({
  host,
  node,
  config,
}: Pick<Ctx, "host" | "node" | "config">): Promise<AnyWanted[]> {
  if (!node.interface || (await hasRoute({ host, config }))) return [];
  return [{ kind: "route", destination: config.servicesCidr, interface: node.interface, source: node.ip }];
}

/** True when a route leads to the services' block: the default one, ours, or the site's. */
export async function hasRoute({ host, config }: Pick<Ctx, "host" | "config">): Promise<boolean> {
  const services = parseCidr(config.servicesCidr);
  const routes = await readRoutes(host);
  return routes.some(({ cidr }) => {
    const block = parseCidr(cidr);
    return services !== undefined && block !== undefined && contains(block, services);
  });
}
