import { readFile } from "node:fs/promises";
import type { Clock } from "../ctx.ts";
import { isOnNetwork } from "../host/routes.ts";
import type { Wake } from "./wake.ts";

/** The reason that it rings with. */
export const ROUTES_CHANGED = "the routes of this host have changed";

/** How often the table is read, in milliseconds: no file of the kernel tells when it changes. */
const EVERY_MS = 2_000;

/** What is followed. */
export interface RoutesFollowed {
  /** The kernel's table, for example `/proc/net/route`. */
  table: string;
  /** The node's address; undefined while it is not known. */
  ip: () => string | undefined;
  clock: Clock;
  signal: AbortSignal;
}

/**
 * Rings when the routes of the host are others than before: somebody has removed those to services and pods, or a cable was plugged in
 * again. Silent while the node's own network is away, for nothing can be put right then. Never rejects.
 */
export async function followRoutes(
  wake: Pick<Wake, "poke">,
  { table, ip, clock, signal }: RoutesFollowed,
): Promise<void> {
  const read = () => readFile(table, "utf8").catch(() => "");
  let before = await read();
  while (!signal.aborted) {
    await clock.sleep(EVERY_MS, signal);
    const now = await read();
    if (now !== before && isOnNetwork(now, ip() ?? "")) wake.poke(ROUTES_CHANGED);
    before = now;
  }
}
