import type { CertificateReport } from "../../certs/report.ts";
import type { Drift } from "../host/declared.ts";
import type { PhaseStatus } from "../runner/status.ts";
import type { NodeEvent } from "./events.ts";
import type { HealthDocument } from "./health.ts";

/** All that the daemon tells of the node, on its socket. */
export interface NodeView {
  health: HealthDocument;
  node: { name: string; ip: string; role: string; clusterId: string } | undefined;
  desired: string;
  /** Why the configuration on the disk is not in force; empty when it is. */
  configProblems: string[];
  /** Phases by check; those that are left alone are in `held`. */
  checks: PhaseStatus[];
  held: string[];
  drift: Drift[];
  /** Milliseconds that the last look took. */
  passMs: number;
  /** What the daemon is doing with the phases, and why; empty when nothing. */
  task: string;
  certificates: Pick<CertificateReport, "name" | "daysLeft" | "status" | "notAfter">[];
  versions: Record<string, string>;
  events: NodeEvent[];
  /** Epoch milliseconds. */
  startedAt: number;
  /** Tasks done since the daemon started, by outcome. */
  tasks: { ok: number; failed: number };
}
