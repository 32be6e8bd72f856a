import type { Ctx } from "../ctx.ts";
import { ensureAll, readRequired } from "../host/host.ts";
import { POD_LABEL, removePodContainers } from "../host/kinds/claims.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { paths } from "../paths.ts";
import { until } from "../runner/wait.ts";
import { applyManifest } from "./manifest/apply.ts";
import { checkImages, manifestEntry, textOf } from "./manifest/bundle.ts";
import { readInventory } from "./manifest/inventory.ts";
import { type ManifestObject, readManifest } from "./manifest/read.ts";
import { whatIsNotReady } from "./manifest/rollout.ts";
import type { NetworkPlugin } from "./plugin.ts";
import { deleteRoutes } from "./routes.ts";

/** What the programs of such a plugin make on a node. */
export interface ManifestPlugin {
  name: "calico" | "canal" | "weave";
  /** Files that it writes into the directory of CNI. */
  cniFiles: readonly string[];
  /** Programs that it puts beside those of the bundle. */
  cniPrograms: readonly string[];
  interfaces: readonly string[];
  /** How the names of its chains begin. */
  chains: readonly string[];
  trees: readonly string[];
}

/** The manifest on the node: what is applied, and the mark that this plugin is or was the node's. */
const manifestFile = (name: string) => `${paths.configs}/network-plugin-${name}.yaml`;

/**
 * A plugin that is a manifest of the bundle: the masters apply it, its own pods do the rest on every node. Nothing of it is
 * stopped with a node: the pods end with the kubelet's.
 */
export function manifestPlugin(plugin: ManifestPlugin): NetworkPlugin {
  const { name } = plugin;
  return {
    ownBridge: false,
    manifest: true,
    overhead: () => 0,
    async check({ bundle, config }) {
      const entry = manifestEntry(bundle, name);
      // What is installed is judged when it is applied: an index alone has no content.
      if (!bundle.source) return;
      const text = await textOf(bundle.content(entry));
      checkImages(bundle, { name, objects: readManifest(text, { name, values: placeholders(config) }) });
    },
    prepare: ({ bundle, config }) => {
      const entry = manifestEntry(bundle, name);
      const { sha256, size } = entry;
      return [
        ...claimsOf(plugin),
        { kind: "routesInto", block: config.containersCidr },
        { kind: "dir", path: paths.configs, mode: 0o700 },
        {
          kind: "copy",
          path: manifestFile(name),
          source: () => bundle.content(entry),
          sha256,
          size,
          mode: 0o600,
        },
      ];
    },
    async start(ctx, say) {
      if (ctx.host.detached || ctx.config.role !== "master") return "unchanged";
      const objects = await objectsOf(ctx, name);
      checkImages(ctx.bundle, { name, objects });
      return await applyManifest(ctx, { plugin: name, objects, say });
    },
    async ready(ctx, say) {
      if (ctx.config.role !== "master") return;
      await until(
        async () => {
          const missing = await whatIsMissing(ctx, name);
          return missing === undefined ? { value: true } : { missing };
        },
        {
          action: `start the network plugin ${name}`,
          timeoutMs: 300_000,
          everyMs: 500,
          clock: ctx.clock,
          signal: ctx.signal,
          say,
          hint: "see kubectl get pods -A -o wide, and kubectl logs of what is not ready",
        },
      );
    },
    stop: async () => "unchanged",
    async leave(ctx) {
      const { host } = ctx;
      if (!(await host.exists(manifestFile(name)))) return "unchanged";
      if (!host.detached) {
        await leaveKernel(ctx, plugin);
        await renewPods(ctx);
      }
      const files = plugin.cniFiles.map((file) => `${paths.cniConfDir}/${file}`);
      return await ensureAll(
        host,
        [...files, manifestFile(name)].map((path) => ({ kind: "absent", path }) as const),
      );
    },
    async status(ctx) {
      // On a worker the kubelet tells: it is ready when the plugin has written its configuration.
      if (ctx.config.role !== "master") return { state: "running" };
      const missing = await whatIsMissing(ctx, name);
      return missing === undefined ? { state: "running" } : { state: "failed", message: missing };
    },
  };
}

async function whatIsMissing(ctx: Ctx, name: string): Promise<string | undefined> {
  const found = await readInventory(ctx.kube);
  if (found?.plugin !== name || !found.digest) return `the manifest ${name} is not applied`;
  return await whatIsNotReady(ctx, found.paths);
}

/** Interfaces and routes, which are claimed: they would lead packets of the next plugin astray. */
async function leaveKernel({ host, config }: Ctx, { interfaces }: ManifestPlugin): Promise<void> {
  for (const name of interfaces) {
    // tunl0 cannot be deleted while its module is there; it leads nowhere without routes.
    if (await host.exists(`/sys/class/net/${name}`))
      await host.run(["ip", "link", "delete", name], { check: false });
  }
  await deleteRoutes(host, { block: config.containersCidr });
}

/**
 * Pods hang on interfaces of the plugin that is gone. The kubelet makes their containers anew as soon as there is a configuration of
 * CNI again. What is on the host's own network stays: the control plane, and the plugin's own pods, which would write theirs.
 */
async function renewPods({ docker, kube, node }: Ctx): Promise<void> {
  const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${node.name}`)}`;
  const pods = await kube.list(`/api/v1/pods?${query}`).catch(() => []);
  const onHost = pods.filter(({ spec }) => spec?.hostNetwork === true).map(({ metadata }) => metadata.name);
  const names = new Set([`k8s-master-${node.name}`, ...onHost]);
  const all = await docker.list([POD_LABEL]);
  const keep = all.filter(({ labels }) => names.has(labels["io.kubernetes.pod.name"] ?? ""));
  await removePodContainers({ docker }, { keep: keep.map(({ id }) => id) });
}

function claimsOf({ cniFiles, cniPrograms, interfaces, chains, trees }: ManifestPlugin): AnyWanted[] {
  const files = [
    ...cniFiles.map((file) => `${paths.cniConfDir}/${file}`),
    ...cniPrograms.map((program) => `${paths.cniBinDir}/${program}`),
  ];
  return [
    ...[...trees, ...files].map((path): AnyWanted => ({ kind: "tree", path })),
    ...interfaces.map((name): AnyWanted => ({ kind: "interface", name })),
    ...chains.map((prefix): AnyWanted => ({ kind: "chains", prefix })),
  ];
}

async function objectsOf(
  { host, config }: Pick<Ctx, "host" | "config">,
  name: string,
): Promise<ManifestObject[]> {
  const text = await readRequired(host, manifestFile(name));
  return readManifest(text, { name, values: placeholders(config) });
}

/** What a manifest may ask for, as docs/bundle-format.md says. */
export function placeholders(config: Ctx["config"]) {
  return { CONTAINERS_CIDR: config.containersCidr, SERVICES_CIDR: config.servicesCidr };
}
