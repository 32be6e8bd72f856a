import type { Host } from "../host/host.ts";
import { routesInto, routeWords } from "../host/kinds/routes-into.ts";

/** Deletes the routes that programs of a network plugin made, which are claimed. Routes that the kernel made stay with their interface. */
export async function deleteRoutes(host: Host, { block }: { block: string }): Promise<void> {
  for (const route of await routesInto(host, block))
    await host.run(["ip", "-4", "route", "del", ...routeWords(route)], { check: false });
}
