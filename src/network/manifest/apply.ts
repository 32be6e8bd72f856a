import type { Ctx } from "../../ctx.ts";
import { AppError } from "../../errors.ts";
import { sha256 } from "../../host/hash.ts";
import type { Outcome } from "../../host/host.ts";
import type { KubeObject } from "../../kube/client.ts";
import type { Say } from "../../runner/phase.ts";
import { apiPath } from "./api-paths.ts";
import { OWNER, readInventory, removeInventory, writeInventory } from "./inventory.ts";
import type { ManifestObject } from "./read.ts";

type ApplyCtx = Pick<Ctx, "kube" | "clock" | "signal">;

/** Kinds that others need to be there first. */
const FIRST = ["Namespace", "CustomResourceDefinition"];

/** Kubernetes' own; a manifest may name one, and it still is not the plugin's. */
const LASTING = ["default", "kube-system", "kube-public", "kube-node-lease"].map(
  (name) => `/api/v1/namespaces/${name}`,
);

/**
 * Brings the objects of a manifest into the cluster, and takes out what an earlier one brought and this one does not. What will
 * be there is written down first: a run that is killed anywhere leaves nothing that nobody knows of.
 *
 * @param options `plugin`: whose objects they are
 */
export async function applyManifest(
  ctx: ApplyCtx,
  { plugin, objects, say }: { plugin: string; objects: readonly ManifestObject[]; say?: Say | undefined },
): Promise<Outcome> {
  const { kube } = ctx;
  const digest = sha256(JSON.stringify(objects)).slice(0, 32);
  const before = await readInventory(kube);
  if (before?.plugin === plugin && before.digest === digest && (await areThere(ctx, before.paths)))
    return "unchanged";
  if (before && before.plugin !== plugin) await removeObjects(ctx, before);
  const old = before?.plugin === plugin ? before.paths : [];
  const paths: string[] = [];
  for (const batch of batches(objects)) {
    const found = await Promise.all(batch.map((object) => apiPath(ctx, object)));
    paths.push(...found);
    await writeInventory(kube, { plugin, digest: "", paths: [...new Set([...old, ...paths])] });
    for (const [at, object] of batch.entries()) {
      const path = found[at] ?? "";
      say?.(`${object.kind} ${object.metadata.name}`);
      await kube.apply(path, owned(object, plugin));
    }
  }
  const gone = old.filter((path) => !paths.includes(path));
  await removeObjects(ctx, { plugin, paths: gone });
  await writeInventory(kube, { plugin, digest, paths });
  return "changed";
}

/** Takes out of the cluster what manifests of network plugins brought. */
export async function removeManifest(ctx: ApplyCtx): Promise<Outcome> {
  const before = await readInventory(ctx.kube);
  if (!before) return "unchanged";
  await removeObjects(ctx, before);
  await removeInventory(ctx.kube);
  return "changed";
}

/** Where an object goes is known only when the definition of its kind is there. */
function batches(objects: readonly ManifestObject[]): ManifestObject[][] {
  const rank = ({ kind }: ManifestObject) => (FIRST.includes(kind) ? FIRST.indexOf(kind) : FIRST.length);
  return [
    ...Map.groupBy(
      objects.toSorted((a, b) => rank(a) - rank(b)),
      rank,
    ).values(),
  ];
}

/** As given, with the owner's label, and without what only the server writes. */
function owned({ status: _, ...object }: ManifestObject, plugin: string): ManifestObject {
  const { creationTimestamp: __, ...metadata }: KubeObject["metadata"] & { creationTimestamp?: unknown } =
    object.metadata;
  return {
    ...(object as ManifestObject),
    metadata: { ...metadata, labels: { ...metadata.labels, [OWNER]: plugin } },
  };
}

async function areThere({ kube }: ApplyCtx, paths: readonly string[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => kube.get(path)));
  return found.every(Boolean);
}

/** In reverse, so that what others need goes last. Objects that somebody made his own since are left. */
async function removeObjects(
  { kube }: ApplyCtx,
  { plugin, paths }: { plugin: string; paths: readonly string[] },
): Promise<void> {
  for (const path of paths.toReversed().filter((one) => !LASTING.includes(one))) {
    const found = await kube.get(path);
    if (found?.metadata.labels?.[OWNER] !== plugin) continue;
    const { status, body } = await kube.request("DELETE", `${path}?propagationPolicy=Background`);
    if (status >= 300 && status !== 404)
      throw new AppError(
        `Cannot delete "${path}" of the network plugin ${plugin}: ${status} ${body.message}`,
      );
  }
}
