import type { Ctx } from "../ctx.ts";
import { AppError, messageOf } from "../errors.ts";
import { readRequired } from "../host/host.ts";
import { otherMasters } from "../peers.ts";
import { JoinClient } from "./client.ts";
import type { NodeIdentity } from "./identity.ts";
import { JoinRefusal } from "./refusal.ts";

/**
 * Asks the masters something as this node, one after the other until one answers.
 *
 * @returns what the work gives
 * @throws JoinRefusal as the first that answers says; AppError naming each master when none does
 */
export async function askMasters<T>(
  ctx: Pick<Ctx, "host" | "node" | "config" | "paths" | "signal">,
  work: (client: JoinClient) => Promise<T>,
): Promise<T> {
  const clients = await memberClients(ctx);
  const problems: string[] = [];
  for (const client of clients) {
    try {
      return await work(client);
    } catch (error) {
      // A master that is not ready, or whose clock is wrong, is as good as none; one that refuses speaks for all.
      if (error instanceof JoinRefusal && !error.passing && error.code !== "NotProven") throw error;
      problems.push(messageOf(error));
    }
  }
  throw new AppError(`Cannot ask a master: ${problems.join("; ") || "none is known"}`, {
    hint: "on a master nodelet status must be ok, and its join port open for this node",
  });
}

/** A client for each other master that this node knows, with this node's certificate. */
export async function memberClients(
  ctx: Pick<Ctx, "host" | "node" | "config" | "paths" | "signal">,
): Promise<JoinClient[]> {
  const { ca, identity } = await ownIdentity(ctx);
  const masters = await otherMasters(ctx);
  const port = ctx.config.joinPort;
  return masters.map(({ ip }) => new JoinClient({ host: ip, port }, { ca, identity, signal: ctx.signal }));
}

/** The authority of the cluster, and what this node proves itself with. @throws AppError when it has not been admitted */
export async function ownIdentity({
  host,
  paths,
}: Pick<Ctx, "host" | "paths">): Promise<{ ca: string; identity: NodeIdentity }> {
  const read = (name: string) => readRequired(host, `${paths.certs}/${name}`);
  const [ca, cert, key] = await Promise.all([
    read("ca.crt"),
    read("kubelet-client.crt"),
    read("kubelet-client.key"),
  ]);
  return { ca, identity: { cert, key } };
}
