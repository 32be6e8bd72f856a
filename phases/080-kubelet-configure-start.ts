import { dirname } from "node:path";
import { stringify } from "yaml";
import type { Ctx } from "../src/ctx.ts";
import { sha256 } from "../src/host/hash.ts";
import { ensureAll, readRequired } from "../src/host/host.ts";
import { removePodContainers } from "../src/host/kinds/claims.ts";
import type { AnyWanted } from "../src/host/kinds/index.ts";
import { isHealthy, KUBELET_HEALTH } from "../src/kube/health.ts";
import { kubeletConfiguration } from "../src/kube/kubelet-config.ts";
import { renderKubeletUnit } from "../src/kube/kubelet-unit.ts";
import { podResolver } from "../src/kube/resolver.ts";
import { kubeFacts } from "../src/kube/versions.ts";
import type { Phase } from "../src/runner/phase.ts";
import { until } from "../src/runner/wait.ts";
import { type ControlPlane, controlPlanePod } from "../static-pods/control-plane.ts";
import { renderPod } from "../static-pods/pod.ts";

const UNIT = "pf9-kubelet.service";

/** The kubelet as a systemd unit; on masters, the control plane as its static pod. */
export const kubeletConfigureStart: Phase = {
  id: "080-kubelet-configure-start",
  title: "Configure and start kubelet",
  roles: ["master", "worker"],
  needs: [
    "030-prepare-kube-configs",
    "048-load-images",
    "060-network-configure",
    "065-cni-configure",
    "075-misc-scripts",
  ],
  async start(ctx) {
    const config = await kubeletConfig(ctx);
    const inputs = await kubeletInputs(ctx, config);
    const prepared = await ensureAll(ctx.host, [
      ...directoriesAndClaims(ctx),
      ...(ctx.config.role === "master" ? await controlPlane(ctx) : []),
      { kind: "dir", path: dirname(ctx.paths.kubeletUnit), mode: 0o755 },
    ]);
    const read = await ensureAll(ctx.host, [
      { kind: "file", path: `${ctx.paths.configs}/kubelet.yaml`, content: config, mode: 0o600 },
      { kind: "file", path: ctx.paths.kubeletUnit, content: await unitText(ctx, inputs), mode: 0o600 },
    ]);
    const unit = { kind: "unit", name: UNIT, active: true, enabled: true, inputs } as const;
    const ran = await ctx.host.ensure({ ...unit, ...(read === "changed" && { renew: true }) });
    return [prepared, read, ran].includes("changed") ? "changed" : "unchanged";
  },
  async ready(ctx, say) {
    if (ctx.host.detached) return;
    await until(
      async () =>
        (await isHealthy(KUBELET_HEALTH, ctx))
          ? { value: true }
          : { missing: "the kubelet is not healthy on port 10248" },
      {
        action: "start the kubelet",
        timeoutMs: 60_000,
        clock: ctx.clock,
        signal: ctx.signal,
        say,
        hint: `see "journalctl -u ${UNIT}"`,
      },
    );
  },
  async stop(ctx) {
    const outcome = await ensureAll(ctx.host, [
      { kind: "unit", name: UNIT, active: false, enabled: false },
      { kind: "absent", path: controlPlaneManifest(ctx) },
    ]);
    // What the kubelet started from files is stopped with it; the other pods go with Docker's phase.
    const removed = await removePodContainers(ctx, { pod: "k8s-master-" });
    return outcome === "changed" || removed > 0 ? "changed" : "unchanged";
  },
  async status(ctx) {
    const { stdout } = await ctx.host.run(["systemctl", "is-active", UNIT], { check: false });
    const state = stdout.trim();
    if (state !== "active")
      return { state: state === "inactive" ? "stopped" : "failed", message: `the unit ${UNIT} is ${state}` };
    return (await isHealthy(KUBELET_HEALTH, ctx))
      ? { state: "running" }
      : { state: "failed", message: "the kubelet is not healthy on port 10248" };
  },
};

function directoriesAndClaims({ paths }: Ctx): AnyWanted[] {
  return [
    { kind: "tree", path: paths.kubeletDir },
    { kind: "tree", path: "/var/lib/dockershim" },
    { kind: "tree", path: "/run/dockershim.sock" },
    { kind: "tree", path: "/var/log/pods" },
    { kind: "tree", path: "/var/log/containers" },
    { kind: "pods", owner: "kubelet" },
    { kind: "dir", path: paths.kubeletDir, mode: 0o755 },
    { kind: "tree", path: paths.dynamicKubeletConfig },
    { kind: "dir", path: paths.dynamicKubeletConfig, mode: 0o700 },
    { kind: "dir", path: paths.volumePlugins, mode: 0o755 },
    { kind: "dir", path: paths.auditDir, mode: 0o700 },
  ];
}

async function kubeletConfig(ctx: Ctx): Promise<string> {
  const cgroupDriver = ctx.host.detached ? "cgroupfs" : (await ctx.docker.info()).cgroupDriver;
  const master = ctx.config.role === "master";
  return stringify(kubeletConfiguration({ config: ctx.config, node: ctx.node, cgroupDriver, master }), {
    lineWidth: 0,
  });
}

async function unitText(ctx: Ctx, inputs: string): Promise<string> {
  const { config, node, bundle, host } = ctx;
  return renderKubeletUnit({
    config,
    node,
    facts: kubeFacts(bundle.kubernetesVersion),
    pauseImage: bundle.image("pause").reference,
    resolver: await podResolver(host),
    inputs,
  });
}

/** Everything that a running kubelet does not read again: a change of any of it is a reason to start it anew. */
async function kubeletInputs(ctx: Ctx, config: string): Promise<string> {
  const files = [
    `${ctx.paths.kubeconfigs}/kubelet.yaml`,
    `${ctx.paths.certs}/kubelet-server.crt`,
    `${ctx.paths.certs}/ca.crt`,
  ];
  const texts = await Promise.all(files.map((path) => readRequired(ctx.host, path)));
  const program = ctx.bundle.binaries.find((entry) => entry.name === "kubelet")?.sha256 ?? "";
  return sha256([config, await unitText(ctx, ""), program, ...texts].join("\n")).slice(0, 32);
}

/** Where the kubelet finds the control plane. */
export const controlPlaneManifest = ({ paths }: Pick<Ctx, "paths">) => `${paths.manifests}/k8s-master.yaml`;

async function controlPlane(ctx: Ctx): Promise<AnyWanted[]> {
  const { config, node, bundle, paths } = ctx;
  const pod: ControlPlane = {
    nodeIp: node.ip,
    apiPort: config.apiPort,
    etcdServers: [`https://127.0.0.1:${config.etcdClientPort}`],
    servicesCidr: config.servicesCidr,
    containersCidr: config.containersCidr,
    clusterId: node.clusterId,
    runtimeConfig: config.runtimeConfig,
    audit: {
      maxAgeDays: config.auditLogMaxAgeDays,
      maxBackups: config.auditLogMaxBackups,
      maxSizeMb: config.auditLogMaxSizeMb,
    },
    images: {
      apiServer: bundle.image("kube-apiserver").reference,
      controllerManager: bundle.image("kube-controller-manager").reference,
      scheduler: bundle.image("kube-scheduler").reference,
    },
    extra: {
      apiServer: config.apiServerFlags,
      controllerManager: config.controllerManagerFlags,
      scheduler: config.schedulerFlags,
    },
    places: paths,
    inputs: "",
    verbosity: config.debug ? 8 : 2,
  };
  // The pod itself is one of its inputs, so that the digest says of a running one whether it is this one.
  const text = renderPod(controlPlanePod(pod));
  const inputs = sha256(text + (await controlPlaneInputs(ctx, text))).slice(0, 32);
  const content = renderPod(controlPlanePod({ ...pod, inputs }));
  return [{ kind: "file", path: controlPlaneManifest(ctx), content, mode: 0o600 }];
}

/** The texts of all files that the pod names, for a pod is not started anew when only they change. */
async function controlPlaneInputs({ host, paths }: Ctx, pod: string): Promise<string> {
  const named = pod.match(/\/etc\/pf9\/kube\.d\/[\w./-]+\.(?:crt|pub|yaml)\b/g) ?? [];
  const names = [...new Set(named)].sort().filter((name) => !name.startsWith(`${paths.manifests}/`));
  // What only the operator's own flags name may be missing.
  const texts = await Promise.all(names.map(async (name) => (await host.read(name)) ?? ""));
  return sha256(texts.join("\n")).slice(0, 32);
}
