import { existsSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { leaveMembers } from "../etcd/leave.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { Io } from "./io.ts";
import { type GlobalOptions, openSession } from "./session.ts";

/**
 * A master of several leaves etcd before it is undone: a member that does not come back would cost the others their majority
 * sooner. What keeps it from leaving keeps nobody from a reset: it is told, with the way to have it removed later.
 */
export async function leaveEtcd(
  io: Io,
  { options, machine }: { options: GlobalOptions; machine: Machine },
): Promise<void> {
  if (machine.root !== "/" || !existsSync(placeOf(machine, paths.peers))) return;
  let name = "NAME";
  try {
    const { ctx } = await openSession({
      options,
      io,
      signal: new AbortController().signal,
      purpose: "look",
      withoutBundle: true,
      withoutSitePhases: true,
    });
    if (ctx.config.role !== "master") return;
    name = ctx.node.name;
    await leaveMembers(ctx);
  } catch (error) {
    io.err(
      `warning: This master could not leave etcd: ${messageOf(error)}\n  run on another master: nodelet node remove ${name}\n`,
    );
  }
}
