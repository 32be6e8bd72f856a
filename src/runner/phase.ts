import type { Ctx } from "../ctx.ts";
import type { Outcome } from "../host/host.ts";

/** What a probe of a phase found. */
export interface PhaseState {
  state: "running" | "stopped" | "failed";
  /** What is wrong, for a person; empty when running. */
  message?: string;
  /**
   * The cause is not among what runs here: another host, the network between, an authority that only an operator can bring back. Stopping
   * anything would help nobody.
   */
  elsewhere?: true;
  /** It may be over in a second, as with an answer that a busy host gives late: it is asked again before it counts. */
  passing?: true;
}

/** What a phase may say while it waits, for example `0/1 members healthy`. */
export type Say = (what: string) => void;

/**
 * One step of bringing a node up. A phase says what the node must have; the runner prints, times, wraps errors and
 * honours cancellation.
 *
 * ```text
 * stopped --start--> started --ready--> running --stop--> stopped
 * ```
 *
 * A phase starts when every phase before it in the list has started. Where that would only waste time, it names in
 * `needs` what it waits for, and starts as soon as those are ready, beside the others. `ready` waits until what was
 * started works.
 */
export interface Phase {
  /** `NNN-name`, as its file is called. */
  readonly id: string;
  /** The phase's own words, for the operator. */
  readonly title: string;
  readonly roles: readonly ("master" | "worker")[];
  /** Ids of earlier phases: this one starts as soon as they are ready. All earlier ones, started, when absent. */
  readonly needs?: readonly string[];
  /** Added by a site: what comes after it is started after it, but does not need it to run. */
  readonly site?: boolean;
  /** Left out of a stop that does not go down to the first phase. */
  readonly onlyFullStop?: boolean;
  /** What it brings about depends on the other nodes: the daemon starts it whenever they are others. @see src/peers.ts */
  readonly followsPeers?: boolean;
  /** Brings the node to the wanted state; says "unchanged" when it was. */
  start(ctx: Ctx, say?: Say): Promise<Outcome>;
  /** Waits until what was started works. @throws AppError when its deadline is over. */
  ready?(ctx: Ctx, say: Say): Promise<void>;
  /** Undoes what start did; may be run when nothing runs. */
  stop(ctx: Ctx, say: Say): Promise<Outcome>;
  /** A real probe without side effects; the column STATUS CHECK says whether there is one. */
  status?(ctx: Ctx): Promise<PhaseState>;
}

/** A state for {@linkcode PhaseState} from a condition. @param message what is wrong when the condition is false */
export function stateOf(running: boolean, message: string): PhaseState {
  return running ? { state: "running" } : { state: "stopped", message };
}
