import { existsSync } from "node:fs";
import type { Ctx } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { leaveMembers } from "../etcd/leave.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { askMasters } from "../join/member.ts";
import { forgetNode } from "../join/store.ts";
import { nodePath } from "../kube/node.ts";
import { paths } from "../paths.ts";
import { otherMasters } from "../peers.ts";
import type { Io } from "./io.ts";
import { type GlobalOptions, openSession } from "./session.ts";

/** How long masters are asked to forget this node, in milliseconds: they may all be gone. */
const LEAVE_MS = 20_000;

/**
 * A node of several leaves its cluster before it is undone: a member of etcd that does not come back would cost the others their majority
 * sooner, and a Node that nobody runs would stay in every list. What keeps it from leaving keeps nobody from a reset: it is told, with the
 * way to have it removed later.
 */
export async function leaveCluster(
  io: Io,
  { options, machine }: { options: GlobalOptions; machine: Machine },
): Promise<void> {
  const has = (path: string) => existsSync(placeOf(machine, path));
  // One that was removed by another master has left already, and has nothing left to show who it is.
  if (machine.root !== "/" || !has(paths.peers) || has(paths.removed)) return;
  let name = "NAME";
  try {
    const { ctx } = await openSession({
      options,
      io,
      signal: AbortSignal.timeout(LEAVE_MS),
      purpose: "look",
      withoutBundle: true,
      withoutSitePhases: true,
    });
    name = ctx.node.name;
    await (ctx.config.role === "master" ? leaveAsMaster(ctx) : askMasters(ctx, (master) => master.leave()));
  } catch (error) {
    io.err(
      `warning: This node could not leave its cluster: ${messageOf(error)}\n  run on a master that is left: nodelet node remove ${name}\n`,
    );
  }
}

/** While its own API server still has its etcd, it takes itself out of the lists; then out of etcd. */
async function leaveAsMaster(ctx: Ctx): Promise<void> {
  if ((await otherMasters(ctx)).length === 0) return;
  const { name } = ctx.node;
  const forget = async () => {
    await forgetNode(ctx.kube, { name, now: ctx.clock.now() });
    await ctx.kube.request("DELETE", nodePath(ctx));
  };
  // Without an API server there is no way to do that from here, and etcd matters more.
  const problem = await forget().catch((error: unknown) => error);
  await leaveMembers(ctx);
  if (problem !== undefined) throw problem;
}
