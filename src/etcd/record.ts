import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";

/** Which member a master is that came to a cluster of others. The first master has none: its member began the cluster. */
export interface MemberRecord {
  id: string;
  clusterId: string;
  /** `name=url,…` as it was when the member was added; it stays, so that its container stays. */
  initialCluster: string;
  /** It has caught up and got its vote. */
  joined: boolean;
}

/** Reads what join wrote. @throws AppError when the file is there and cannot be understood */
export async function readRecord({
  host,
  paths,
}: Pick<Ctx, "host" | "paths">): Promise<MemberRecord | undefined> {
  const text = await host.read(paths.etcdMember);
  if (text === undefined) return undefined;
  try {
    const { id, clusterId, initialCluster, joined } = JSON.parse(text) as Partial<MemberRecord>;
    if (id && clusterId && initialCluster) return { id, clusterId, initialCluster, joined: joined === true };
  } catch {
    // Told below, as what is not complete.
  }
  throw new AppError(`Cannot read "${paths.etcdMember}": it does not say which etcd member this node is`, {
    hint: "remove it, and run the same command again",
  });
}

/** Keeps it, before the member's first start and again when it has its vote. */
export async function writeRecord(
  { host, paths }: Pick<Ctx, "host" | "paths">,
  { id, clusterId, initialCluster, joined }: MemberRecord,
): Promise<void> {
  const content = `${JSON.stringify({ id, clusterId, initialCluster, joined })}\n`;
  await host.ensure({ kind: "file", path: paths.etcdMember, mode: 0o600, content });
}
