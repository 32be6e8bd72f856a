import { isDnsName } from "../config/grammar.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { etcdClient } from "../etcd/client.ts";
import { allEndpoints } from "../etcd/member.ts";
import { accepts } from "../host/port.ts";
import { etcdWarnings, expectMaster } from "./etcd.ts";
import { type Io, type OutputFormat, showResult } from "./io.ts";
import { type Departure, lookAtDeparture, removeNode } from "./node-remove-steps.ts";
import { duration } from "./progress.ts";
import { expectRoot, type GlobalOptions, openSession, operatorLock } from "./session.ts";

/** What `nodelet node remove` is called with. */
export interface NodeRemoveCall {
  options: GlobalOptions & { output: OutputFormat; force?: boolean; yes?: boolean };
  name: string;
  signal: AbortSignal;
}

/** `nodelet node remove NAME`: takes another node out of the cluster. @returns the exit code */
export async function nodeRemove(io: Io, { options, name, signal }: NodeRemoveCall): Promise<number> {
  if (!isDnsName(name))
    throw new UsageError(
      `Cannot remove the node ${JSON.stringify(name)}: that is no name of a node; expected for example node-1`,
    );
  if (options.root !== "/")
    throw new UsageError(`Cannot remove a node below "${options.root}"; expected --root / or none`);
  expectRoot(options);
  const call = { options, name, signal };
  if (!options.yes)
    confirm(io, { name, ...(await lookAtDeparture(await open(io, { ...call, purpose: "look" }))) });
  using _lock = await operatorLock(options, "nodelet node remove");
  const begun = performance.now();
  const departure = await open(io, { ...call, purpose: "change" });
  // Much may have come to pass until there was an answer.
  const found = await lookAtDeparture(departure);
  const done = await removeNode(departure, found);
  if (io.terminal) io.err("\r\x1b[K");
  const ms = Math.round(performance.now() - begun);
  const was = done.member ? "master" : "node";
  showResult(io, {
    format: options.output,
    result: { name, ...done, ms },
    table: `Removed the ${was} "${name}" after ${duration(ms)}.\nFree its host, where it still is:  nodelet reset\n`,
  });
  for (const warning of await etcdWarnings(departure.ctx)) io.err(`warning: ${warning}\n`);
  return ExitCode.ok;
}

async function open(
  io: Io,
  { options, name, signal, purpose }: NodeRemoveCall & { purpose: "look" | "change" },
): Promise<Departure> {
  const { ctx, recorded } = await openSession({
    options,
    io,
    signal,
    purpose,
    withoutBundle: true,
    withoutSitePhases: true,
  });
  expectMaster(recorded?.role);
  const etcd = etcdClient(ctx, await allEndpoints(ctx));
  const say = (line: string) => {
    ctx.log.info(line);
    if (io.terminal) io.err(`\r\x1b[K… ${line}`.slice(0, 110));
  };
  return { ctx, name, etcd, accepts, force: options.force ?? false, say };
}

function confirm(io: Io, { name, alive }: { name: string; alive: boolean }): void {
  const what = alive ? "is drained and stopped" : "is down; its pods are forgotten";
  const answer = io.ask(`"${name}" ${what}, and goes out of the cluster for good. Type yes to go on: `);
  if (answer === undefined)
    throw new UsageError(
      `Cannot remove "${name}" without a confirmation: standard input is not a terminal; expected --yes`,
    );
  if (answer.trim() !== "yes")
    throw new UsageError(`Not removed: the answer was "${answer.trim()}"; expected yes`);
}
