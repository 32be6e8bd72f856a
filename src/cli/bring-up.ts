import { basename } from "node:path";
import { stringify } from "yaml";
import { installDaemon, startDaemon } from "../daemon/install.ts";
import { EXPLAIN, type Finding, PreflightError } from "../errors.ts";
import { ensureAll } from "../host/host.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import type { PhaseEvent } from "../runner/events.ts";
import { startPhases } from "../runner/run.ts";
import type { Io, OutputFormat } from "./io.ts";
import { type Meter, meter } from "./meter.ts";
import { progress } from "./progress.ts";
import type { CheckHostOptions } from "./preflight.ts";
import type { ClusterRecord, GlobalOptions, Session } from "./session.ts";

/** Options of a command that makes this host a node, beside the keys of the configuration. */
export interface BringUpOptions extends GlobalOptions {
  dryRun?: boolean;
  output: OutputFormat;
  [key: string]: unknown;
}

/** A finding of somebody else than this host's preflight. */
export type LevelledFinding = Finding & { level: "error" | "warning" };

/** How a host is judged before the first change. */
export interface RefuseOptions extends Pick<CheckHostOptions, "joining"> {
  session: Session;
  dryRun?: boolean;
  /** What is told together with what this host shows. */
  more?: readonly LevelledFinding[];
}

/** Everything that can be known before the first change. A dry run shows it and goes on. */
export async function refuseHost(
  io: Io,
  { session, dryRun = false, more = [], ...how }: RefuseOptions,
): Promise<void> {
  const { checkHost } = await import("./preflight.ts");
  let verifying: Meter | undefined;
  const report = await checkHost(session, {
    ...how,
    onBytes(bytes, total) {
      verifying ??= meter(io, { what: "verify the bundle", total });
      verifying.add(bytes);
    },
  });
  verifying?.end();
  const of = (level: "error" | "warning") => more.filter((one) => one.level === level);
  const errors = [...report.errors, ...of("error")];
  const warnings = [...report.warnings, ...of("warning")];
  const tell = (level: string, { code, message, hint }: Finding) =>
    io.err(`${level}: [${code}] ${message}${hint ? `; ${hint}` : ""}\n`);
  for (const finding of warnings) tell("warning", finding);
  if (errors.length > 0 && !dryRun) throw new PreflightError(errors);
  for (const finding of errors) tell("error", finding);
  if (errors.length + warnings.length > 0) io.err(`${EXPLAIN}\n`);
}

/** What the host is like now, for reset to compare with. Looked at before the first change, and never again. */
export async function rememberHost({ ctx, machine, journal }: Session): Promise<void> {
  const { config, node } = ctx;
  if (journal.exists) return;
  const { findTraces } = await import("./reset-lost.ts");
  // A node that has lost its journal is not what it was before init.
  if ((await findTraces(machine)).records.length > 0) return;
  const { keepFootprint } = await import("../host/footprint/keep.ts");
  const { systemFootprintProbe } = await import("../host/footprint/system.ts");
  const dirs = [config.etcdDataDir, ...(node.runtime === "bundled" ? [config.dockerDataDir] : [])];
  await keepFootprint(systemFootprintProbe(machine), { journal, dirs });
}

/** The first entries of the journal: the places of our own state, and what this host is from now on. */
export async function prepare(
  { ctx }: Session,
  { flags, files = [] }: { flags: string | undefined; files?: readonly AnyWanted[] },
): Promise<void> {
  const { host, paths } = ctx;
  await ensureAll(host, [
    { kind: "tree", path: "/var/log/pf9" },
    // Written by the daemon.
    { kind: "tree", path: paths.kubeStatus },
    { kind: "dir", path: paths.logDir, mode: 0o700 },
    { kind: "dir", path: paths.configDir, mode: 0o700 },
    { kind: "dir", path: paths.kubeDir, mode: 0o700 },
    { kind: "dir", path: paths.stateDir, mode: 0o700 },
    {
      kind: "file",
      path: paths.cluster,
      content: recordText(recordOf(ctx)),
      mode: 0o600,
    },
    ...(flags ? [{ kind: "file", path: paths.initFlags, content: flags, mode: 0o600 } as const] : []),
    ...files,
  ]);
}

/** What this host is from now on. */
export function recordOf({ node, config }: Session["ctx"]): ClusterRecord {
  const { clusterId, name, ip, runtime, joined, podCidr } = node;
  const own = { clusterId, role: config.role, nodeName: name, nodeIp: ip, runtime };
  return joined ? { ...own, joined, podCidr } : own;
}

/** The text of `paths.cluster`. */
export function recordText(record: ClusterRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** The flags of this run as a configuration file, so that every later command sees the same node. */
export async function givenFlags(
  options: Readonly<Record<string, unknown>>,
  command: string,
): Promise<string | undefined> {
  const { readFlags } = await import("../config/load.ts");
  // Not from the configuration: what kube_override.env says there is gone when it says so no more.
  const given = readFlags(options).given.map(({ key, value }) => [key, value]);
  if (given.length === 0) return undefined;
  return `# Written by "nodelet ${command}": the flags that it was given. They stand over the other files here.\n${stringify(Object.fromEntries(given))}`;
}

/** What the phases did, and how long each took. */
export interface StartReport {
  /** Ids of phases that changed something. */
  changed: string[];
  phases: { id: string; outcome: string; ms: number }[];
}

/** Starts all phases, with the daemon beside them; the operator sees how they come along. */
export async function startAll(
  io: Io,
  session: Session,
  options: { dryRun?: boolean } = {},
): Promise<StartReport> {
  const timings: { id: string; outcome: string; ms: number }[] = [];
  const shown = progress(io);
  const listen = (event: PhaseEvent) => {
    session.record(event);
    if (!options.dryRun) shown.listen(event);
    if (event.type === "end")
      timings.push({ id: event.phase.id, outcome: event.outcome, ms: Math.round(event.ms) });
  };
  const report = await session
    .declaring(async (ctx) => {
      // A node whose power is cut from here on comes up by itself; it costs nothing beside the waiting of the phases.
      const [installed, started] = await Promise.all([
        installDaemon(ctx),
        startPhases(ctx, { phases: session.phases, listen }),
      ]);
      await startDaemon(ctx, installed);
      return started;
    })
    .finally(shown.clear);
  return { changed: report.changed, phases: timings };
}

/** What was found out rather than given, said before the first change. */
export function nodeText({ ctx }: Session): string {
  const { node, bundle } = ctx;
  const engine = node.runtime === "bundled" ? "the engine of the bundle" : "the Docker of this host";
  const on = node.interface ? ` on ${node.interface}` : "";
  return `Node "${node.name}", ${node.ip}${on}, with ${engine}; bundle ${bundle.index.name}\n`;
}

/** What to type to run this program again: its name alone only where a shell would find it. */
export function commandName(): string {
  const name = basename(process.execPath);
  return !Bun.isStandaloneExecutable || Bun.which(name) === process.execPath ? "nodelet" : process.execPath;
}
