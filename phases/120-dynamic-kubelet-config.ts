import { stringify } from "yaml";
import type { Ctx } from "../src/ctx.ts";
import { messageOf } from "../src/errors.ts";
import { ensureAll, type Outcome } from "../src/host/host.ts";
import type { KubeObject } from "../src/kube/client.ts";
import { isHealthy, KUBELET_HEALTH } from "../src/kube/health.ts";
import {
  CONFIG_MAPS as NAMES,
  CONFIG_NAMESPACE,
  kubeletConfigSource,
  kubeletConfiguration,
} from "../src/kube/kubelet-config.ts";
import { nodePath } from "../src/kube/node.ts";
import { kubeFacts } from "../src/kube/versions.ts";
import type { Phase } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";

const CONFIGMAPS = `/api/v1/namespaces/${CONFIG_NAMESPACE}/configmaps`;

/** Kubelets take their configuration from the cluster, with the file on the node to fall back to. */
export const dynamicKubeletConfig: Phase = {
  id: "120-dynamic-kubelet-config",
  title: "Apply dynamic kubelet configuration",
  roles: ["master", "worker"],
  async start(ctx) {
    if (ctx.host.detached || !kubeFacts(ctx.bundle.kubernetesVersion).dynamicKubeletConfig)
      return "unchanged";
    if (role(ctx) === "worker") return await takeOver(ctx);
    const [master, worker] = await Promise.all([
      ensureConfigMap(ctx, "master"),
      ensureConfigMap(ctx, "worker"),
    ]);
    const outcome = master.outcome === "changed" || worker.outcome === "changed" ? "changed" : "unchanged";
    const node = await ctx.kube.get(nodePath(ctx));
    const source = kubeletConfigSource(role(ctx));
    if (!Bun.deepEquals(node?.spec?.configSource, source)) {
      await ctx.kube.patch(nodePath(ctx), { spec: { configSource: source } });
    } else if (outcome === "unchanged" && "value" in (await assignedYet(ctx, master.object)))
      return "unchanged";
    await handOver(ctx, master.object);
    return "changed";
  },
  async ready(ctx, say) {
    if (ctx.host.detached || !kubeFacts(ctx.bundle.kubernetesVersion).dynamicKubeletConfig) return;
    await until(() => poll(ctx), {
      action: "apply the dynamic kubelet configuration",
      timeoutMs: 60_000,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: 'see "journalctl -u pf9-kubelet"',
    });
  },
  stop: async () => "unchanged",
  async status(ctx) {
    const map = await ownConfigMap(ctx);
    // What is in it is the masters' business.
    if (map && role(ctx) === "master" && map.data?.kubelet !== (await kubeletText(ctx, "master")))
      return { state: "failed", message: `the ConfigMap ${NAMES[role(ctx)]} is not as configured` };
    const found = await taken(ctx, map);
    return "value" in found ? { state: "running" } : { state: "failed", message: found.missing };
  },
};

const role = (ctx: Ctx) => (ctx.config.role === "worker" ? "worker" : "master");

/** A worker takes what the masters have made. It may read it from when its Node names it, which it does a moment after that. */
async function takeOver(ctx: Ctx): Promise<Outcome> {
  const unread = `the ConfigMap ${NAMES.worker} cannot be read`;
  const map = await until(
    async () => {
      const found = await ownConfigMap(ctx).catch((error: unknown) => messageOf(error));
      if (typeof found === "string") return { missing: `${unread}: ${found}` };
      return found ? { value: found } : { missing: `${unread}: there is none` };
    },
    {
      action: "take the cluster's configuration of kubelets",
      // An API server that was just started lists the Nodes anew after up to a minute when it could not at first.
      timeoutMs: 180_000,
      clock: ctx.clock,
      signal: ctx.signal,
      hint: "see nodelet phases status -p 120 on a master",
    },
  );
  if ("value" in (await assignedYet(ctx, map))) return "unchanged";
  await handOver(ctx, map);
  return "changed";
}

/**
 * Puts the ConfigMap where the kubelet keeps the one that it has taken, in its versioned form, and starts it anew. Left
 * alone, it looks for a new source only every ten seconds, and for the API server after up to thirty.
 *
 * @see SerializedNodeConfigSource in k8s.io/kubelet/config/v1beta1
 */
async function handOver(ctx: Ctx, { metadata, data }: KubeObject): Promise<void> {
  const store = `${ctx.paths.dynamicKubeletConfig}/store`;
  const { uid = "", resourceVersion = "" } = metadata;
  const checkpoint = `${store}/checkpoints/${uid}/${resourceVersion}`;
  const { configMap } = kubeletConfigSource(role(ctx));
  const assigned = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "SerializedNodeConfigSource",
    source: { configMap: { ...configMap, resourceVersion, uid } },
  };
  await ensureAll(ctx.host, [
    { kind: "dir", path: checkpoint, mode: 0o700 },
    { kind: "file", path: `${checkpoint}/kubelet`, content: data.kubelet as string, mode: 0o600 },
    { kind: "dir", path: `${store}/meta`, mode: 0o700 },
    // In the kubelet's own order of keys: it writes the file again later, and nothing of it changes.
    {
      kind: "file",
      path: `${store}/meta/assigned`,
      content: stringify(assigned, { sortMapEntries: true }),
      mode: 0o600,
    },
  ]);
  await ctx.host.run(["systemctl", "restart", "pf9-kubelet.service"], { timeoutMs: 60_000 });
}

async function kubeletText(ctx: Ctx, which: keyof typeof NAMES): Promise<string> {
  const { cgroupDriver } = await ctx.docker.info();
  const input = { config: ctx.config, node: ctx.node, cgroupDriver, master: which === "master" };
  return stringify(kubeletConfiguration(input), { lineWidth: 0 });
}

async function ensureConfigMap(
  ctx: Ctx,
  which: keyof typeof NAMES,
): Promise<{ outcome: Outcome; object: KubeObject }> {
  const name = NAMES[which];
  const found = await ctx.kube.get(`${CONFIGMAPS}/${name}`);
  const kubelet = await kubeletText(ctx, which);
  if (found?.data?.kubelet === kubelet) return { outcome: "unchanged", object: found };
  const object = await ctx.kube.apply(`${CONFIGMAPS}/${name}`, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: CONFIG_NAMESPACE },
    data: { kubelet },
  });
  return { outcome: "changed", object };
}

/**
 * The kubelet itself says which ConfigMap it has taken, in its checkpoint on the disk: at once, where the Node object
 * learns of it only with a later report.
 */
async function poll(ctx: Ctx): Promise<Poll<true>> {
  return await taken(ctx, await ownConfigMap(ctx));
}

/** The ConfigMap of this node's role. */
async function ownConfigMap(ctx: Ctx): Promise<KubeObject | undefined> {
  return await ctx.kube.get(`${CONFIGMAPS}/${NAMES[role(ctx)]}`);
}

async function taken(ctx: Ctx, wanted: KubeObject | undefined): Promise<Poll<true>> {
  const assigned = await assignedYet(ctx, wanted);
  if ("missing" in assigned) return assigned;
  const running = await isHealthy(KUBELET_HEALTH, ctx);
  return running ? assigned : { missing: "the kubelet is starting with the new configuration" };
}

/** By the checkpoint alone: a kubelet that is slow to answer has it all the same. */
async function assignedYet(ctx: Ctx, wanted: KubeObject | undefined): Promise<Poll<true>> {
  if (!wanted) return { missing: `there is no ConfigMap ${NAMES[role(ctx)]}` };
  const assigned = await ctx.host.read(`${ctx.paths.dynamicKubeletConfig}/store/meta/assigned`);
  if (!assigned?.includes(wanted.metadata.uid ?? "-"))
    return { missing: "the kubelet has not taken the ConfigMap" };
  if (!assigned.includes(`"${wanted.metadata.resourceVersion}"`))
    return { missing: "the kubelet has an older ConfigMap" };
  return { value: true };
}
