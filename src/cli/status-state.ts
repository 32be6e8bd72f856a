import type { HealthDocument } from "../daemon/health.ts";
import { ExitCode } from "../errors.ts";
import type { PhaseStatus } from "../runner/status.ts";

/** How a node is, for a person: the states of the health document, and what a person made of it on purpose. */
export type StatusState = "ok" | "converging" | "retrying" | "failed" | "stopped";

/** A phase as `status` sees it: `held` is left alone, since an operator stopped it or what it needs; `unknown` did not answer in time. */
export type SeenPhase = Omit<PhaseStatus, "status"> & { status: PhaseStatus["status"] | "held" | "unknown" };

/** Phases whose running is what a stopped node does not do; of others, such as Docker, a stop takes nothing away. */
const SERVICES: ReadonlySet<string> = new Set([
  "055-etcd-run",
  "080-kubelet-configure-start",
  "090-kube-proxy-start",
]);

/** What the state is told by. */
export interface StateFacts {
  phases: readonly SeenPhase[];
  desired: "true" | "false" | "ignore";
  /** A daemon keeps the node. */
  kept: boolean;
  /** Somebody works on the node now. */
  busy: boolean;
  health: HealthDocument | undefined;
}

/** Tells the state by what the probes say now; the document adds how long it has been tried. */
export function stateOf(facts: StateFacts): StatusState {
  const { phases, desired, health, busy } = facts;
  const { pf9_kube_node_state: told = "ok" } = health ?? {};
  const healing = facts.kept && desired !== "ignore";
  const unsettled = healing && told !== "ok" ? told : undefined;
  const notYet = healing || busy ? (unsettled ?? "converging") : "failed";
  if (desired === "false") {
    const serves = phases.some(({ id, status }) => status === "running" && SERVICES.has(id));
    return serves || unsettled ? notYet : "stopped";
  }
  if (phases.some(isWrong)) return notYet;
  if (phases.some(({ status }) => status === "executing")) return unsettled ?? "converging";
  if (unsettled) return unsettled;
  return phases.some(({ status }) => status === "held") ? "stopped" : "ok";
}

/** True for a phase that should run and does not. */
export function isWrong({ status }: SeenPhase): boolean {
  return status === "stopped" || status === "failed";
}

/** The exit code of `nodelet status` in a state. */
export function exitCodeOf(state: StatusState | "none"): number {
  if (state === "ok") return ExitCode.ok;
  if (state === "stopped") return ExitCode.stopped;
  return state === "converging" || state === "retrying" ? ExitCode.converging : ExitCode.failed;
}
