import type { Ctx } from "../../ctx.ts";
import { until } from "../../runner/wait.ts";
import type { ManifestObject } from "./read.ts";

/** A resource as the API server lists it. */
interface Resource {
  name: string;
  kind: string;
  namespaced: boolean;
}

/** A definition that was just made is served a moment later. In milliseconds. */
const SERVED_DEADLINE_MS = 30_000;

/**
 * Where the API has an object: the server itself tells the path of its kind.
 *
 * @throws AppError when the server does not serve that kind
 */
export async function apiPath(
  ctx: Pick<Ctx, "kube" | "clock" | "signal">,
  object: ManifestObject,
): Promise<string> {
  const { apiVersion, kind, metadata } = object;
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const resource = await until(
    async () => {
      const resources = ((await ctx.kube.get(group))?.resources ?? []) as Resource[];
      const found = resources.find((one) => one.kind === kind && !one.name.includes("/"));
      return found ? { value: found } : { missing: `the API server has no ${kind} of ${apiVersion}` };
    },
    {
      action: `apply the ${kind} "${metadata.name}"`,
      timeoutMs: SERVED_DEADLINE_MS,
      clock: ctx.clock,
      signal: ctx.signal,
      hint: "use a manifest for this version of Kubernetes",
    },
  );
  const namespace = resource.namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : "";
  return `${group}${namespace}/${resource.name}/${encodeURIComponent(metadata.name)}`;
}
