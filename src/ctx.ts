import type { Bundle } from "./bundle/bundle.ts";
import type { Config } from "./config/config.ts";
import type { Docker } from "./docker/docker.ts";
import type { Host } from "./host/host.ts";
import type { Kube } from "./kube/client.ts";
import type { NodeFacts } from "./node-facts.ts";
import type { paths } from "./paths.ts";

/** Time, so that tests can own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds of a clock that never jumps. */
  monotonic(): number;
  /** Resolves after the time, or at once when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Where phases and rooms write what happened; the operator sees it in the log file, and with `--verbose`. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

/** Everything that a phase works with; built once, frozen, passed down. */
export interface Ctx {
  readonly config: Config;
  /** What the configuration leaves to be found out on the host. */
  readonly node: NodeFacts;
  readonly paths: typeof paths;
  readonly host: Host;
  readonly docker: Docker;
  /** The API server of this node, as the cluster's administrator. */
  readonly kube: Kube;
  readonly bundle: Bundle;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The clock on the wall. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener("abort", end, { once: true });
    });
  },
};
