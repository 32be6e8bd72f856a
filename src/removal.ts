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
