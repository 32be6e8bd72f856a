import type { Outcome } from "../host/host.ts";
import type { Phase } from "./phase.ts";

/** What the runner is doing with phases. */
export type Verb = "start" | "stop";

/** One thing that happened to a phase. Renderers and the log listen; nobody answers. */
export type PhaseEvent = { phase: Phase; verb: Verb; index: number; total: number } & (
  | { type: "begin" }
  /** The phase is waiting for something. */
  | { type: "say"; what: string }
  | { type: "end"; outcome: Outcome; ms: number }
  | { type: "fail"; error: unknown; ms: number }
);

/** Receives events, in the order in which they happen. */
export type Listener = (event: PhaseEvent) => void;
