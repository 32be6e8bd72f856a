import { readFileSync } from "node:fs";
import { writeAtomically } from "../host/atomic.ts";

/** How the node is, in one word; the words of the original's status file. */
export type NodeState = "ok" | "converging" | "retrying" | "failed";

/**
 * The health document, `/var/opt/pf9/kube_status`: the fields of the original's Node Health, no more and no fewer. Tasks
 * and checks are called by the titles of their phases; times are seconds since the epoch, 0 for none.
 */
export interface HealthDocument {
  /** Consecutive attempts to start what does not run; 0 when all is well. */
  pf9_kube_start_attempt: number;
  /** Cleared ten minutes after the check was good again. */
  last_failed_status_check: string;
  pf9_cluster_role: string;
  /** What the last attempt failed on, or what is wrong with the configuration. */
  last_failed_task: string;
  all_tasks: string[];
  pf9_kube_node_state: NodeState;
  /** Set while a check takes long. */
  current_status_check: string;
  completed_tasks: string[];
  /** Whether everything of the node runs. */
  pf9_kube_service_state: "true" | "false";
  all_status_checks: string[];
  last_failed_status_time: number;
  pf9_cluster_id: string;
  current_task: string;
  /** When the last status check began. */
  status_check_timestamp: number;
}

/** A document about which nothing is known yet. */
export const EMPTY_HEALTH: HealthDocument = {
  pf9_kube_start_attempt: 0,
  last_failed_status_check: "",
  pf9_cluster_role: "",
  last_failed_task: "",
  all_tasks: [],
  pf9_kube_node_state: "converging",
  current_status_check: "",
  completed_tasks: [],
  pf9_kube_service_state: "false",
  all_status_checks: [],
  last_failed_status_time: 0,
  pf9_cluster_id: "",
  current_task: "",
  status_check_timestamp: 0,
};

/** All states, best first. */
export const STATES = ["ok", "converging", "retrying", "failed"] as const satisfies NodeState[];

/**
 * Reads the document. Whatever is missing, damaged or of another version counts as not known: the node itself is looked at
 * anyway.
 *
 * @returns undefined when there is no document that can be read
 */
export function readHealth(file: string): HealthDocument | undefined {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) return undefined;
  const given = found as Record<string, unknown>;
  const fits = (key: keyof HealthDocument) => sameShape(given[key], EMPTY_HEALTH[key]);
  const known = (Object.keys(EMPTY_HEALTH) as (keyof HealthDocument)[]).filter(fits);
  const health = { ...EMPTY_HEALTH, ...Object.fromEntries(known.map((key) => [key, given[key]])) };
  if (!(STATES as readonly unknown[]).includes(health.pf9_kube_node_state))
    health.pf9_kube_node_state = "converging";
  if (health.pf9_kube_start_attempt < 0 || !Number.isSafeInteger(health.pf9_kube_start_attempt))
    health.pf9_kube_start_attempt = 0;
  health.pf9_kube_service_state = health.pf9_kube_service_state === "true" ? "true" : "false";
  return health;
}

function sameShape(value: unknown, model: unknown): boolean {
  if (Array.isArray(model)) return Array.isArray(value) && value.every((one) => typeof one === "string");
  return typeof value === typeof model;
}

/** Writes the document; readers see the old one or the new one. @throws AppError, for example on a full disk */
export async function writeHealth(file: string, health: HealthDocument): Promise<void> {
  await writeAtomically(file, `${JSON.stringify(health, null, 1)}\n`, { mode: 0o644 });
}
