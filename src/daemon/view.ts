import type { Drift } from "../host/declared.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { Daemon } from "./daemon.ts";
import type { Desired, OpenNode } from "./desired.ts";
import { type NodeEvent, readEvents } from "./events.ts";
import { type CertificateFact, certificateFacts, type EtcdFact, etcdFact, versionsOf } from "./facts.ts";
import type { HealthDocument } from "./health.ts";
import type { Check, Pass } from "./pass.ts";
import { wantedServices } from "./removed.ts";

/** What the daemon knows of the node without asking anybody. */
export interface NodeNow {
  health: HealthDocument;
  node: { name: string; ip: string; role: string; clusterId: string } | undefined;
  /** What the services are to be: `kubeServiceState`. */
  desired: string;
  /** Why the configuration on the disk is not in force; empty when it is. */
  configProblems: string[];
  /** All phases. */
  phases: { id: string; title: string }[];
  /** What the last look found, in order; those after the first that fails may be missing. */
  checks: Check[];
  /** Ids of the phases that are left alone, because an operator stopped them or one that they need. */
  held: string[];
  drift: Drift[];
  /** Milliseconds that the last look took; undefined before the first. */
  passMs: number | undefined;
  /** What the daemon is doing with the phases, and why; empty when nothing. */
  task: string;
  /** Tasks done since the daemon started, by outcome. */
  tasks: { ok: number; failed: number };
  /** Epoch milliseconds. */
  startedAt: number;
  /** Of the daemon. */
  version: string;
}

/** All that the daemon tells of the node, on its socket. There are no secrets in it. */
export interface NodeView extends NodeNow {
  certificates: CertificateFact[];
  versions: Record<string, string>;
  etcd: EtcdFact | undefined;
  events: NodeEvent[];
}

/** Who is asked for the view. */
export interface ViewSource {
  now(): NodeNow;
  view(): Promise<NodeView>;
}

/** What a view is made of. */
export interface ViewParts {
  machine: Machine;
  daemon: Pick<Daemon, "pass" | "task" | "tasks">;
  report: { readonly health: Readonly<HealthDocument> };
  desired: Pick<Desired, "node" | "problems">;
  version: string;
  /** Epoch milliseconds. */
  startedAt: number;
}

/** Makes views of what the daemon knows. What costs something is asked for once in every look, and only if somebody wants it. */
export function viewSource(parts: ViewParts): ViewSource {
  let kept: { pass: Pass | undefined; node: OpenNode | undefined; details: Promise<Details> } | undefined;
  const now = () => nowOf(parts);
  return {
    now,
    async view() {
      const { pass } = parts.daemon;
      const { node } = parts.desired;
      if (!kept || kept.pass !== pass || kept.node !== node)
        kept = { pass, node, details: detailsOf(node, parts) };
      const events = readEvents(placeOf(parts.machine, paths.events));
      return { ...now(), ...(await kept.details), events };
    },
  };
}

type Details = Pick<NodeView, "certificates" | "versions" | "etcd">;

async function detailsOf(node: OpenNode | undefined, { version }: ViewParts): Promise<Details> {
  if (!node) return { certificates: [], versions: { nodelet: version }, etcd: undefined };
  const [certificates, versions, etcd] = await Promise.all([
    certificateFacts(node.ctx),
    versionsOf(node.ctx, { nodelet: version }),
    etcdFact(node.ctx),
  ]);
  return { certificates, versions, etcd };
}

function nowOf({ machine, daemon, report, desired, version, startedAt }: ViewParts): NodeNow {
  const { pass } = daemon;
  const opened = desired.node;
  const facts = opened?.ctx.node;
  return {
    health: report.health,
    node: opened &&
      facts && {
        name: facts.name,
        ip: facts.ip,
        role: opened.ctx.config.role,
        clusterId: facts.clusterId,
      },
    desired: opened ? wantedServices(machine, opened.ctx.config) : "",
    configProblems: [...desired.problems],
    phases: (opened?.phases ?? []).map(({ id, title }) => ({ id, title })),
    checks: (pass?.checks ?? []).map((check) => ({ ...check, ms: Math.round(check.ms * 10) / 10 })),
    held: [...(pass?.alone ?? [])],
    drift: [...(pass?.drift ?? [])],
    passMs: pass && Math.round(pass.ms * 10) / 10,
    task: daemon.task,
    tasks: { ...daemon.tasks },
    startedAt,
    version,
  };
}
