import type { Ctx } from "../ctx.ts";
import type { Outcome } from "../host/host.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import type { PhaseState, Say } from "../runner/phase.ts";

/** How pods of different nodes reach each other: what the phases of the network need to know of a plugin. */
export interface NetworkPlugin {
  /** Pods are on nodelet's own bridge, with addresses of the node's block; else the plugin writes the configuration of CNI itself. */
  readonly ownBridge: boolean;
  /** It is a manifest of the bundle, which the masters apply. */
  readonly manifest?: true;
  /** Bytes that the plugin puts around each packet between nodes. */
  overhead(config: Ctx["config"]): number;
  /** Checks for preflight that the bundle has all that it is made of. @throws AppError naming what is missing */
  check?(plan: Pick<Ctx, "bundle" | "config">): Promise<void>;
  /** For phase 060: what it must have of the node now, with the other nodes as they are, and claims of what its programs make. */
  prepare(ctx: Ctx): readonly AnyWanted[] | Promise<readonly AnyWanted[]>;
  /** What of that is not there, in words, where a glance shows it; undefined when nothing is missing. */
  missing?(ctx: Ctx): Promise<string | undefined>;
  /** For phase 115. May be run twice. */
  start(ctx: Ctx, say?: Say): Promise<Outcome>;
  /** Waits until what was started works. @throws AppError when its deadline is over */
  ready(ctx: Ctx, say: Say): Promise<void>;
  /** Ends what runs on this node. May be run when nothing runs. */
  stop(ctx: Ctx): Promise<Outcome>;
  /** Takes away what a stop leaves, because the node has another plugin now; absent where a stop leaves nothing. */
  leave?(ctx: Ctx): Promise<Outcome>;
  /** A probe without side effects. */
  status(ctx: Ctx): Promise<PhaseState>;
}

/** A plugin of which nothing runs on the node: the kernel does it all, or somebody else looks after it. */
export function stillPlugin(options: Pick<NetworkPlugin, "ownBridge">): NetworkPlugin {
  return {
    ...options,
    overhead: () => 0,
    prepare: () => [],
    start: async () => "unchanged",
    ready: async () => {},
    stop: async () => "unchanged",
    status: async () => ({ state: "running" }),
  };
}
