import { existsSync, readFileSync } from "node:fs";
import { AppError, ConfigError, messageOf } from "../errors.ts";
import { type Standing, standingOf } from "../etcd/standing.ts";
import type { JournalRecord } from "../host/journal.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import { parsePeers } from "../peers.ts";
import type { Io } from "./io.ts";
import { withIdentity } from "./reset-identity.ts";
import { type GlobalOptions, openSession, type Session } from "./session.ts";

/** How long it may take to learn how a node stands to the others, in milliseconds. */
const LOOK_MS = 30_000;

/** How a node goes: not at all, as nobody is left behind or it was taken out; as a worker; or as a member of etcd. */
export type Way = "stay" | "worker" | "member";

/** What a reset is called with, as far as the others are concerned. */
export interface LeaveCall {
  options: GlobalOptions & { abandonCluster?: boolean };
  machine: Machine;
  /** What was there before init: where etcd's data is, when nothing else tells. */
  records: readonly JournalRecord[];
}

/**
 * Judges how this node goes, before anything of it is changed.
 *
 * @throws AppError for a master without which the others have, or may have, no majority; with `--abandon-cluster` that is a warning
 */
export async function judgeReset(io: Io, call: LeaveCall): Promise<Way> {
  const { options, machine } = call;
  if (machine.root !== "/") return "stay";
  const opened = await openLeaving(io, { options, ms: LOOK_MS }).catch(whyNot);
  if (typeof opened === "string") return judgeBlind(io, { ...call, why: opened });
  const { ctx } = opened;
  const has = (path: string) => existsSync(placeOf(machine, path));
  // One that was removed by a master has left already, and has nothing left to show who it is.
  if (ctx.config.role !== "master") return has(paths.peers) && !has(paths.removed) ? "worker" : "stay";
  const found = await standingOf(ctx, { patient: !options.abandonCluster });
  return wayOf(io, { options, found, name: ctx.node.name });
}

/** How a master goes that stands so to the others. @throws AppError when they need it, unless the cluster is abandoned */
export function wayOf(
  io: Pick<Io, "err">,
  { options, found, name }: Pick<LeaveCall, "options"> & { found: Standing; name: string },
): Way {
  if (found.is === "needed") return refuse(io, { options, name, why: found.why });
  return found.is === "member" ? "member" : "stay";
}

function whyNot(error: unknown): string {
  return error instanceof ConfigError ? [error.message, ...error.problems].join("; ") : messageOf(error);
}

/** Of a node whose configuration cannot be read only its files tell. */
function judgeBlind(io: Io, { options, machine, records, why }: LeaveCall & { why: string }): Way {
  const peers = placeOf(machine, paths.peers);
  const masters = existsSync(peers)
    ? parsePeers(readFileSync(peers, "utf8")).filter((one) => one.master)
    : [];
  if (masters.length === 0) return "stay";
  if (!records.some(({ key }) => existsSync(placeOf(machine, `${key}/member`))))
    return existsSync(placeOf(machine, paths.removed)) ? "stay" : "worker";
  const beside = masters.map(({ name }) => `"${name}"`).join(", ");
  return refuse(io, {
    options,
    why: `it may have a vote in etcd beside ${beside}, and cannot ask until this is put right: ${why}`,
  });
}

function refuse(io: Pick<Io, "err">, { options, name, why }: Pick<LeaveCall, "options"> & Refusal): "stay" {
  const error = refusal({ why, ...(name && { name }) });
  if (!options.abandonCluster) throw error;
  io.err(`warning: This master goes without leaving etcd, as its cluster is abandoned: ${why}\n`);
  return "stay";
}

interface Refusal {
  name?: string;
  why: string;
}

/** What is told of a master that cannot go: what was found, what would follow, and what to do first. */
export function refusal({ name, why }: Refusal): AppError {
  return new AppError(
    `Cannot reset the master${name ? ` "${name}"` : ""}: ${why}; without it the others may have no majority for good, and the cluster is lost`,
    {
      hint: "bring the other masters up, start this one's etcd (nodelet phases start), see nodelet etcd status, then reset; to give up the whole cluster: nodelet reset --abandon-cluster",
    },
  );
}

/** A session of a node on its way out, with what it has to show; what is asked by it ends after so many milliseconds. */
export async function openLeaving(
  io: Io,
  { options, ms }: { options: GlobalOptions; ms: number },
): Promise<Session> {
  const session = await openSession({
    options,
    io,
    signal: AbortSignal.timeout(ms),
    purpose: "look",
    withoutBundle: true,
    bundleLater: true,
    withoutSitePhases: true,
  });
  return { ...session, ctx: await withIdentity(session.ctx) };
}
