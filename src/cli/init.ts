import { ExitCode, UsageError } from "../errors.ts";
import { placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import { changeHeld } from "../runner/held.ts";
import {
  type BringUpOptions,
  commandName,
  givenFlags,
  nodeText,
  prepare,
  refuseHost,
  rememberHost,
  startAll,
} from "./bring-up.ts";
import { type Io, renderTable, showResult } from "./io.ts";
import { withKeyFile } from "./key-file.ts";
import { duration } from "./progress.ts";
import { openSession, operatorLock, type Session } from "./session.ts";

/** Makes this host the first master. @returns the exit code */
export async function init(
  io: Io,
  { options: given, signal }: { options: BringUpOptions; signal: AbortSignal },
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
    // A host that joined has perhaps none, and is told first that it is no place for init.
    bundleLater: true,
  });
  if (session.recorded?.joined) {
    throw new UsageError(
      "Cannot make this host a first master: it is joining, or has joined, another cluster",
      {
        hint: "go on with nodelet join, or undo it with nodelet reset",
      },
    );
  }
  if (session.recorded && session.bundleProblem) throw session.bundleProblem;
  if (session.ctx.config.role !== "master") {
    throw new UsageError(`Cannot make a ${session.ctx.config.role} with init; expected the role master`);
  }
  if (options.root === "/") await refuseHost(io, { session, ...(options.dryRun && { dryRun: true }) });
  if (session.bundleProblem) throw session.bundleProblem;
  if (!options.dryRun) await rememberHost(session);
  if (options.root === "/" && !options.dryRun && !session.recorded) io.err(nodeText(session));
  await prepare(session, { flags: await givenFlags(options, "init") });
  if (options.root === "/" && !options.dryRun)
    await changeHeld(placeOf(session.machine, paths.held), { remove: session.phases });
  const started = await startAll(io, session, options);
  const { node } = session.ctx;
  const ms = Math.round(performance.now() - begun);
  const result = {
    node: node.name,
    ip: node.ip,
    clusterId: node.clusterId,
    changed: started.changed,
    ms,
    peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1024),
    phases: started.phases,
    plan: session.plan,
  };
  const table = options.dryRun || options.root !== "/" ? planText(session, options) : doneText(session, ms);
  showResult(io, { format: options.output, result, table });
  return ExitCode.ok;
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

function planText({ plan }: Session, options: BringUpOptions): string {
  const rows = plan.map(({ kind, key, from, to }) => [kind.toUpperCase(), key, from, "->", to]);
  const what = options.dryRun
    ? `${plan.length} changes would be made; none was`
    : `Files were written under ${options.root}; ${plan.length} changes concern a running host and were not made`;
  return `${rows.length > 0 ? renderTable({ columns: ["KIND", "WHAT", "OLD", "", "NEW"], rows }) : ""}${what}.\n`;
}
