import { basename } from "node:path";
import { stringify } from "yaml";
import { ExitCode, EXPLAIN, type Finding, PreflightError, UsageError } from "../errors.ts";
import { installDaemon, startDaemon } from "../daemon/install.ts";
import { ensureAll } from "../host/host.ts";
import { placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { PhaseEvent } from "../runner/events.ts";
import { changeHeld } from "../runner/held.ts";
import { startPhases } from "../runner/run.ts";
import type { Io, OutputFormat } from "./io.ts";
import { renderTable, showResult } from "./io.ts";
import { withKeyFile } from "./key-file.ts";
import { type Meter, meter } from "./meter.ts";
import { duration, progress } from "./progress.ts";
import { type GlobalOptions, openSession, operatorLock, type Session } from "./session.ts";

/** Options of `nodelet init` beside the keys of the configuration. */
export interface InitOptions extends GlobalOptions {
  dryRun?: boolean;
  output: OutputFormat;
  [key: string]: unknown;
}

/** Makes this host the first master. @returns the exit code */
export async function init(
  io: Io,
  { options: given, signal }: { options: InitOptions; signal: AbortSignal },
): Promise<number> {
  const begun = performance.now();
  const options = await withKeyFile(given);
  using _lock = await operatorLock(options, "nodelet init");
  const session = await openSession({
    options,
    io,
    signal,
    flags: options,
    purpose: options.dryRun ? "plan" : "change",
    // Told together with everything else that is wrong.
    withoutBundle: true,
  });
  if (session.ctx.config.role !== "master") {
    throw new UsageError(`Cannot make a ${session.ctx.config.role} with init; expected the role master`);
  }
  if (options.root === "/") await refuseHost(io, { session, dryRun: options.dryRun === true });
  if (session.bundleProblem) throw session.bundleProblem;
  if (!options.dryRun) await rememberHost(session);
  if (options.root === "/" && !options.dryRun && !session.recorded) io.err(nodeText(session));
  await prepare(session, options);
  if (options.root === "/" && !options.dryRun)
    await changeHeld(placeOf(session.machine, paths.held), { remove: session.phases });
  return await startAll(io, { session, options, begun });
}

/** Everything that can be known before the first change. A dry run shows it and goes on. */
async function refuseHost(io: Io, { session, dryRun }: { session: Session; dryRun: boolean }): Promise<void> {
  const { checkHost } = await import("./preflight.ts");
  let verifying: Meter | undefined;
  const { errors, warnings } = await checkHost(session, {
    onBytes(bytes, total) {
      verifying ??= meter(io, { what: "verify the bundle", total });
      verifying.add(bytes);
    },
  });
  verifying?.end();
  const tell = (level: string, { code, message, hint }: Finding) =>
    io.err(`${level}: [${code}] ${message}${hint ? `; ${hint}` : ""}\n`);
  for (const finding of warnings) tell("warning", finding);
  if (errors.length > 0 && !dryRun) throw new PreflightError(errors);
  for (const finding of errors) tell("error", finding);
  if (errors.length + warnings.length > 0) io.err(`${EXPLAIN}\n`);
}

/** What the host is like now, for reset to compare with. Looked at before the first change, and never again. */
async function rememberHost({ ctx, machine, journal }: Session): Promise<void> {
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
async function prepare({ ctx }: Session, options: InitOptions): Promise<void> {
  const { host, paths, node, config } = ctx;
  const flags = await givenFlags(options);
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
      content: `${JSON.stringify({ clusterId: node.clusterId, role: config.role, nodeName: node.name, nodeIp: node.ip, runtime: node.runtime })}\n`,
      mode: 0o600,
    },
    ...(flags ? [{ kind: "file", path: paths.initFlags, content: flags, mode: 0o600 } as const] : []),
  ]);
}

/** The flags of this run as a configuration file, so that every later command sees the same node. */
async function givenFlags(options: InitOptions): Promise<string | undefined> {
  const { readFlags } = await import("../config/load.ts");
  // Not from the configuration: what kube_override.env says there is gone when it says so no more.
  const given = readFlags(options).given.map(({ key, value }) => [key, value]);
  if (given.length === 0) return undefined;
  return `# Written by "nodelet init": the flags that it was given. They stand over the other files here.\n${stringify(Object.fromEntries(given))}`;
}

async function startAll(
  io: Io,
  run: { session: Session; options: InitOptions; begun: number },
): Promise<number> {
  const { session, options, begun } = run;
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
  const { node } = session.ctx;
  const ms = Math.round(performance.now() - begun);
  const result = {
    node: node.name,
    ip: node.ip,
    clusterId: node.clusterId,
    changed: report.changed,
    ms,
    peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1024),
    phases: timings,
    plan: session.plan,
  };
  const table = options.dryRun || options.root !== "/" ? planText(session, options) : doneText(session, ms);
  showResult(io, { format: options.output, result, table });
  return ExitCode.ok;
}

/** What was found out rather than given, said before the first change. */
function nodeText({ ctx }: Session): string {
  const { node, bundle } = ctx;
  const engine = node.runtime === "bundled" ? "the engine of the bundle" : "the Docker of this host";
  const on = node.interface ? ` on ${node.interface}` : "";
  return `Node "${node.name}", ${node.ip}${on}, with ${engine}; bundle ${bundle.index.name}\n`;
}

function doneText({ ctx }: Session, ms: number): string {
  const { node, paths } = ctx;
  const self = commandName();
  return `Node "${node.name}" (${node.ip}) is up after ${duration(ms)}.
Look at it:  ${self} status
Use it:      ${paths.binDir}/kubectl --kubeconfig ${paths.kubeconfigs}/admin.yaml get nodes
Undo it:     ${self} reset
`;
}

/** What to type to run this program again: its name alone only where a shell would find it. */
function commandName(): string {
  const name = basename(process.execPath);
  return !Bun.isStandaloneExecutable || Bun.which(name) === process.execPath ? "nodelet" : process.execPath;
}

function planText({ plan }: Session, options: InitOptions): string {
  const rows = plan.map(({ kind, key, from, to }) => [kind.toUpperCase(), key, from, "->", to]);
  const what = options.dryRun
    ? `${plan.length} changes would be made; none was`
    : `Files were written under ${options.root}; ${plan.length} changes concern a running host and were not made`;
  return `${rows.length > 0 ? renderTable({ columns: ["KIND", "WHAT", "OLD", "", "NEW"], rows }) : ""}${what}.\n`;
}
