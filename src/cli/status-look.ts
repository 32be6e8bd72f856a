import { existsSync } from "node:fs";
import { askDaemon } from "../daemon/ask.ts";
import { Desired } from "../daemon/desired.ts";
import { type NodeEvent, readEvents } from "../daemon/events.ts";
import { type CertificateFact, certificateFacts, firstToEnd, versionsOf } from "../daemon/facts.ts";
import { type HealthDocument, readHealth } from "../daemon/health.ts";
import { look, type Pass } from "../daemon/pass.ts";
import { type Removal, readRemoval, wantedServices } from "../daemon/removed.ts";
import type { NodeView } from "../daemon/view.ts";
import { AppError } from "../errors.ts";
import { type Drift, readDeclared } from "../host/declared.ts";
import { lockHolder } from "../host/lock.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import { readNotes } from "../runner/book.ts";
import { readHeld } from "../runner/held.ts";
import type { Io } from "./io.ts";
import { type GlobalOptions, openMachine, openSession, type Session } from "./session.ts";
import { isWrong, type SeenPhase, stateOf, type StatusState } from "./status-state.ts";
import { VERSION } from "./version.ts";

/**
 * A check that waits for what does not come, such as one that asks an API server without etcd, takes seconds; what is
 * wrong first is known by then, so the others get this long, in milliseconds.
 */
const PATIENCE_MS = 500;

/** All that `nodelet status` shows; its form is that of `-o json`. */
export interface NodeStatus {
  state: StatusState;
  node: string;
  ip: string;
  role: string;
  clusterId: string;
  kubernetesVersion: string;
  bundle: string;
  /** What the services are to be: `kubeServiceState`, and `false` on a node that was removed from its cluster. */
  desired: string;
  /** The node was removed from its cluster, when and by whom; null when it was not. */
  removed: Removal | null;
  daemon: DaemonFact;
  /** The health document; null when there is none that can be read. */
  health: HealthDocument | null;
  /** The document is there and cannot be read. */
  healthDamaged: boolean;
  phases: SeenPhase[];
  /** Those that should run and do not. */
  wrong: Pick<SeenPhase, "id" | "title" | "status" | "message">[];
  /** Ids of phases that an operator stopped. */
  held: string[];
  /** Ids of phases that need one of those. */
  heldBack: string[];
  /** Why the configuration on the disk is not used; empty when it is. */
  configProblems: string[];
  /** How the configuration on the disk differs from the one in force, in words. */
  configChanges: string[];
  /** What others changed. */
  drift: Drift[];
  certificates: CertificateFact[];
  /** Of the certificate that ends first. */
  certificateDaysLeft: number | null;
  certificateFirst: string | null;
  versions: Record<string, string>;
  /** Oldest first. */
  events: NodeEvent[];
}

/** The daemon, as it is seen from outside. */
export type DaemonFact =
  | ({ running: true } & Pick<NodeView, "version" | "startedAt" | "task" | "tasks" | "passMs">)
  | {
      running: false;
      /** Who has its lock, when it runs and does not answer. */
      silent?: string;
    };

/** What `nodelet status` is called with. */
export interface StatusCall {
  options: GlobalOptions;
  signal: AbortSignal;
}

/**
 * Looks at the node. Where the configuration on the disk cannot be used, it is looked at with the one in force.
 *
 * @returns undefined for a host that is no node
 * @throws AppError when there is no configuration to look with
 */
export async function lookAtNode(io: Io, call: StatusCall): Promise<NodeStatus | undefined> {
  const machine = openMachine(call.options.root);
  const { desired, session, changes } = await open(io, machine, call);
  if (!session.recorded) return undefined;
  const { ctx } = session;
  const held = readHeld(placeOf(machine, paths.held));
  const [pass, certificates, versions, view] = await Promise.all([
    look(ctx, {
      machine,
      phases: session.phases,
      held,
      declared: readDeclared(placeOf(machine, paths.declared)),
      patienceMs: PATIENCE_MS,
    }),
    certificateFacts(ctx),
    versionsOf(ctx, { nodelet: VERSION }),
    askDaemon(placeOf(machine, paths.daemonSocket)),
  ]);
  const busy = lockHolder(paths.lock) !== undefined;
  const phases = seenPhases(session, { pass, busy });
  const document = placeOf(machine, paths.kubeStatus);
  const health = view?.health ?? readHealth(document);
  const first = firstToEnd(certificates);
  const state = stateOf({
    phases,
    desired: wantedServices(machine, ctx.config),
    kept: view !== undefined,
    busy,
    health,
  });
  const wrong = phases.filter(isWrong);
  return {
    state,
    ...aboutNode(session),
    daemon: daemonFact(view, machine),
    health: health ?? null,
    healthDamaged: health === undefined && existsSync(document),
    phases,
    wrong:
      state === "stopped"
        ? []
        : wrong.map(({ id, title, status, message }) => ({ id, title, status, message })),
    held: [...held],
    heldBack: [...pass.alone].filter((id) => !held.has(id)),
    configProblems: [...desired.problems],
    configChanges: changes,
    drift: state === "stopped" ? [] : pass.drift,
    certificates,
    certificateDaysLeft: first?.daysLeft ?? null,
    certificateFirst: first?.name ?? null,
    versions,
    events: readEvents(placeOf(machine, paths.events)),
  };
}

/** All phases, with what the look tells of each. */
function seenPhases(
  { machine, phases }: Session,
  { pass, busy }: { pass: Pass; busy: boolean },
): SeenPhase[] {
  const notes = busy ? readNotes(placeOf(machine, paths.phases)) : {};
  return phases.map(({ id, title, status: probe }, at) => {
    const about = { index: at + 1, id, title, statusCheck: probe !== undefined };
    const check = pass.checks.find((one) => one.id === id);
    if (notes[id]?.status === "executing") return { ...about, status: "executing", message: "" };
    if (pass.alone.has(id)) return { ...about, status: "held", message: "" };
    if (!probe) return { ...about, status: "N/A", message: "" };
    return { ...about, status: check?.status ?? "unknown", message: check?.message ?? "" };
  });
}

async function open(io: Io, machine: Machine, { options, signal }: StatusCall) {
  let session: Session | undefined;
  const opening = async (config?: string) => {
    session = await openSession({
      options: config === undefined ? options : { ...options, config },
      io,
      signal,
      purpose: "look",
    });
    return session;
  };
  const desired = new Desired(machine, { open: opening, version: VERSION });
  const news = await desired.refresh();
  // With nothing to fall back on, the operator gets the error itself.
  if (!session) await opening();
  if (!session) throw new AppError("Cannot look at the node: it has no configuration");
  return { desired, session, changes: desired.problems.length === 0 ? news : [] };
}

function aboutNode({ ctx, machine }: Session) {
  const { node, bundle, config } = ctx;
  return {
    node: node.name,
    ip: node.ip,
    role: config.role,
    clusterId: node.clusterId,
    kubernetesVersion: bundle.kubernetesVersion,
    bundle: bundle.index.name,
    desired: wantedServices(machine, config),
    removed: readRemoval(machine) ?? null,
  };
}

function daemonFact(view: NodeView | undefined, machine: Machine): DaemonFact {
  if (view) {
    const { version, startedAt, task, tasks, passMs } = view;
    return { running: true, version, startedAt, task, tasks, passMs };
  }
  const silent = lockHolder(placeOf(machine, paths.daemonLock));
  return { running: false, ...(silent !== undefined && { silent }) };
}
