import type { Ctx } from "./ctx.ts";

/**
 * Remembers that this node was taken out of its cluster while it was down, so that it saw nothing of it. The daemon stops it for good: its
 * kubelet would make a Node anew at every start. @see src/daemon/removed.ts
 */
export async function rememberRemoval({
  host,
  paths,
  clock,
}: Pick<Ctx, "host" | "paths" | "clock">): Promise<void> {
  const removal = { at: new Date(clock.now()).toISOString(), by: "an administrator, while it was down" };
  await host.ensure({
    kind: "file",
    path: paths.removed,
    content: `${JSON.stringify(removal)}\n`,
    mode: 0o600,
  });
}

/**
 * True while etcd of a node that was taken out still runs, because it has not left the others: it votes, and what it needs for that, and for
 * leaving, stays with it.
 */
export async function votesYet({
  host,
  paths,
  docker,
}: Pick<Ctx, "host" | "paths" | "docker">): Promise<boolean> {
  if (host.detached || !(await host.exists(paths.removed))) return false;
  return (await docker.inspect("etcd").catch(() => undefined)) !== undefined;
}
