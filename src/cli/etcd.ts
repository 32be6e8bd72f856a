import type { Ctx } from "../ctx.ts";
import { etcdClient } from "../etcd/client.ts";
import { allEndpoints } from "../etcd/member.ts";
import { type EtcdOverview, type MemberView, overviewOf } from "../etcd/overview.ts";
import { AppError, ExitCode } from "../errors.ts";
import { sizeText } from "../size-text.ts";
import { type Io, type OutputFormat, showResult, type Table } from "./io.ts";
import { type GlobalOptions, openSession } from "./session.ts";

/** What both commands are called with. */
export interface EtcdCall {
  options: GlobalOptions & { output: OutputFormat };
  signal: AbortSignal;
}

/** `nodelet etcd members`: who is a member, and whether it is well. @returns 1 when one is not */
export async function etcdMembers(io: Io, call: EtcdCall): Promise<number> {
  const found = await look(io, call);
  const rows = found.members.map((one) => [
    one.id,
    one.name,
    one.role,
    one.health,
    one.peerUrls.join(","),
    one.clientUrls.join(","),
  ]);
  const table = { columns: ["ID", "NAME", "ROLE", "HEALTH", "PEERS AT", "CLIENTS AT"], rows };
  showResult(io, { format: call.options.output, result: found.members, table });
  return exitCodeOf(found);
}

/** `nodelet etcd status`: how each member is, and how many may fail. @returns 1 when one is not well */
export async function etcdStatus(io: Io, call: EtcdCall): Promise<number> {
  const found = await look(io, call);
  showResult(io, { format: call.options.output, result: found, table: statusTable(found) });
  io.out(call.options.output === "table" ? `${found.quorum.text}\n` : "");
  for (const warning of found.warnings) io.err(`warning: ${warning}\n`);
  return exitCodeOf(found);
}

function statusTable({ members }: EtcdOverview): Table {
  const row = (one: MemberView) => [
    one.name || one.id,
    one.role,
    one.health,
    one.leader ? "yes" : "",
    one.version ?? "",
    one.dbSize === undefined ? "" : `${sizeText(one.dbSize)}, ${sizeText(one.dbSizeInUse ?? 0)} in use`,
    one.raftIndex === undefined ? "" : String(one.raftIndex),
    one.lag === undefined ? "" : String(one.lag),
  ];
  return {
    columns: ["NAME", "ROLE", "HEALTH", "LEADER", "VERSION", "DATA", "INDEX", "BEHIND"],
    rows: members.map(row),
  };
}

const exitCodeOf = ({ members }: EtcdOverview) =>
  members.every(({ health }) => health === "ok") ? ExitCode.ok : ExitCode.failed;

async function look(io: Io, { options, signal }: EtcdCall): Promise<EtcdOverview> {
  const { ctx, recorded } = await openSession({
    options,
    io,
    signal,
    purpose: "look",
    withoutBundle: true,
    withoutSitePhases: true,
  });
  expectMaster(recorded?.role);
  return await overviewOf(etcdClient(ctx, await allEndpoints(ctx)));
}

/** What the operator of a master that has just come or gone should know of etcd; nothing where nobody answers. */
export async function etcdWarnings(ctx: Ctx): Promise<string[]> {
  if (ctx.config.role !== "master") return [];
  const found = await overviewOf(etcdClient(ctx, await allEndpoints(ctx))).catch(() => undefined);
  return found?.warnings ?? [];
}

/** @throws AppError on a host that is no master */
export function expectMaster(role: string | undefined): void {
  if (role === "master") return;
  const found = role === "worker" ? "this host is a worker" : "this host is not a node";
  throw new AppError(`Cannot reach etcd: ${found}; expected a master`, { hint: "run it on a master" });
}
