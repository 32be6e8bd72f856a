import { exposition, type Metric } from "./exposition.ts";
import { STATES } from "./health.ts";
import type { NodeView } from "./view.ts";

/** What a process uses. */
export interface ProcessFacts {
  residentBytes: number;
  cpuSeconds: number;
}

/** What this process uses now. */
export function processFacts(): ProcessFacts {
  const { user, system } = process.cpuUsage();
  return { residentBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
}

/** All metrics of the daemon, as Prometheus reads them. */
export function renderMetrics(view: NodeView, usage: ProcessFacts): string {
  return exposition([...nodeMetrics(view), ...phaseMetrics(view), ...partMetrics(view), ...own(view, usage)]);
}

function gauge(name: string, help: string): (samples: Metric["samples"]) => Metric {
  return (samples) => ({ name: `nodelet_${name}`, type: "gauge", help, samples });
}

function nodeMetrics({ health, desired, tasks, task, configProblems, drift, passMs }: NodeView): Metric[] {
  return [
    gauge(
      "node_state",
      "1 for the state that the node is in.",
    )(STATES.map((state) => ({ labels: { state }, value: bit(state === health.pf9_kube_node_state) }))),
    gauge(
      "desired_state",
      "1 for what the services are to be: kubeServiceState.",
    )(["true", "false", "ignore"].map((state) => ({ labels: { state }, value: bit(state === desired) }))),
    gauge(
      "service_up",
      "1 when everything of the node runs.",
    )([{ value: bit(health.pf9_kube_service_state === "true") }]),
    gauge(
      "start_attempts",
      "Consecutive attempts to start what does not run; 0 when all is well.",
    )([{ value: health.pf9_kube_start_attempt }]),
    {
      ...gauge(
        "tasks_total",
        "Tasks done with the phases since the daemon started, by outcome.",
      )([
        { labels: { outcome: "ok" }, value: tasks.ok },
        { labels: { outcome: "failed" }, value: tasks.failed },
      ]),
      type: "counter",
    },
    gauge("task_running", "1 while the daemon works on the phases.")([{ value: bit(task !== "") }]),
    gauge("check_duration_seconds", "How long the last look at the node took.")([{ value: seconds(passMs) }]),
    gauge(
      "last_check_timestamp_seconds",
      "When the last look at the node began.",
    )([{ value: health.status_check_timestamp || undefined }]),
    gauge(
      "config_valid",
      "1 when the configuration on the disk is valid.",
    )([{ value: bit(configProblems.length === 0) }]),
    gauge(
      "drift_things",
      "Things of this node that differ from what nodelet brought about.",
    )([{ value: drift.length }]),
  ];
}

function phaseMetrics({ phases, checks, held }: NodeView): Metric[] {
  const labelled = ({ id, title }: { id: string; title: string }) => ({ phase: id, title });
  return [
    gauge(
      "phase_up",
      "1 when the check of a phase is good; absent for what has none, is held, or was not asked behind one that fails.",
    )(checks.map((one) => ({ labels: labelled(one), value: bit(one.status === "running") }))),
    gauge(
      "phase_held",
      "1 when an operator stopped the phase, or one that it needs.",
    )(phases.map((one) => ({ labels: labelled(one), value: bit(held.includes(one.id)) }))),
    gauge(
      "phase_check_duration_seconds",
      "How long the last check of a phase took.",
    )(checks.map((one) => ({ labels: labelled(one), value: seconds(one.ms) }))),
  ];
}

function partMetrics({ certificates, etcd }: NodeView): Metric[] {
  const figures = etcd?.up ? etcd : undefined;
  return [
    gauge(
      "certificate_expiry_timestamp_seconds",
      "When a certificate of this node ends.",
    )(
      certificates.map(({ name, notAfter }) => ({
        labels: { name },
        value: notAfter === undefined ? undefined : Date.parse(notAfter) / 1000,
      })),
    ),
    gauge("etcd_up", "1 when etcd of this node answers and has a leader.")([{ value: etcd && bit(etcd.up) }]),
    gauge("etcd_members", "Members of the etcd cluster.")([{ value: figures?.members }]),
    gauge(
      "etcd_members_started",
      "Members of the etcd cluster that have started.",
    )([{ value: figures?.started }]),
    gauge("etcd_db_size_bytes", "Size of etcd's data base on the disk.")([{ value: figures?.dbSize }]),
    gauge(
      "etcd_db_size_in_use_bytes",
      "What of etcd's data base is in use.",
    )([{ value: figures?.dbSizeInUse }]),
  ];
}

function own({ version, startedAt }: NodeView, usage: ProcessFacts): Metric[] {
  return [
    gauge("build_info", "1; its version is that of the daemon.")([{ labels: { version }, value: 1 }]),
    {
      name: "process_resident_memory_bytes",
      type: "gauge",
      help: "Memory of the daemon.",
      samples: [{ value: usage.residentBytes }],
    },
    {
      name: "process_cpu_seconds_total",
      type: "counter",
      help: "Time that the daemon computed.",
      samples: [{ value: usage.cpuSeconds }],
    },
    {
      name: "process_start_time_seconds",
      type: "gauge",
      help: "When the daemon started.",
      samples: [{ value: startedAt / 1000 }],
    },
  ];
}

const bit = (is: boolean) => (is ? 1 : 0);

/** To a tenth of a millisecond. */
const seconds = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms * 10) / 10_000);
