import type { OpenNode } from "./desired.ts";
import { type Memory, nodeState, type Task } from "./judge.ts";
import type { Observation } from "./observe.ts";
import { removalWords } from "./removed.ts";
import type { Report } from "./report.ts";

/** What the document is told. */
export interface Told {
  node: OpenNode;
  seen: Observation;
  memory: Memory;
  /** No check has failed for long enough to count. */
  tolerating: boolean;
  /** The configuration of the disk is the one that is used. */
  configValid: boolean;
  /** What was told of the checks before, from the last call. */
  before: string;
}

/** Puts into the document what was seen, and tells of what is new. @returns what is wrong now, in words; empty when nothing is */
export function tell(report: Report, { node, seen, memory, tolerating, configValid, before }: Told): string {
  const { first, alone } = seen;
  const wantsRun = seen.desired !== "false";
  report.checked(wantsRun ? first?.title : undefined, seen.now);
  const wrong = first && wantsRun ? `${first.title}: ${first.message}` : "";
  if (wrong && wrong !== before) report.event(`check failed: ${wrong}`);
  if (!wrong && before) report.event("all checks are good again");
  // A check that fails for less than the tolerance does not count yet.
  const tolerated = first !== undefined && seen.desired === "true" && tolerating;
  const good = first === undefined || tolerated;
  const settled = wantsRun ? good && !memory.taskFailed : seen.stopped;
  const last = report.health.pf9_kube_node_state;
  const state = seen.desired === "ignore" ? last : nodeState(memory.attempts, settled);
  if (state !== last) report.event(`node is ${state}`);
  report.set({
    pf9_kube_service_state: wantsRun && good && alone.size === 0 ? "true" : "false",
    pf9_kube_node_state: state,
    pf9_kube_start_attempt: memory.attempts,
    pf9_cluster_id: node.ctx.node.clusterId,
    pf9_cluster_role: node.ctx.config.role,
    completed_tasks: completed(node, seen),
    ...(settled && configValid && { last_failed_task: "" }),
  });
  return wrong;
}

/** Titles of the phases up to the first that does not run. */
function completed({ phases }: OpenNode, { failing, alone, stopped }: Observation): string[] {
  if (stopped) return [];
  const end = phases.findIndex(({ id }) => failing.includes(id) || alone.has(id));
  return (end === -1 ? phases : phases.slice(0, end)).map(({ title }) => title);
}

/** What is going to be done, and why, for the events. */
export function reasonFor(task: Task, { seen, attempts }: { seen: Observation; attempts: number }): string {
  if (task.do === "follow") return "following the nodes of the cluster";
  const attempt = attempts > 0 ? `attempt ${attempts}: ` : "";
  return `${attempt}${wordsOf(task)}, because ${because(seen)}`;
}

function because({ desired, first, drift, changed, removed }: Observation): string {
  if (removed && desired === "false") return `this node was ${removalWords(removed)}`;
  if (desired === "false") return "the services are to be stopped";
  if (first) return `"${first.title}" fails: ${first.message}`;
  if (drift.length === 0) return changed ? "the configuration is new" : "the last attempt failed";
  const names = drift.slice(0, 3).map(({ kind, key }) => `${kind} ${key}`);
  return `changed by others: ${names.join(", ")}${drift.length > 3 ? `, ${drift.length - 3} more` : ""}`;
}

function wordsOf(task: Exclude<Task, { do: "follow" }>): string {
  if (task.do === "stop") return "stopping all phases";
  if (task.do === "full") return "stopping and starting all phases";
  const from = task.from === undefined ? "all phases" : `phases from ${task.from} on`;
  return task.do === "restart" ? `stopping and starting ${from}` : `starting ${from}`;
}
