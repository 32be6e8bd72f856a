import type { Ctx } from "../src/ctx.ts";
import { dockerNeed, type DockerSettings, parseDockerSettings } from "../src/docker/settings.ts";
import { ensureAll } from "../src/host/host.ts";
import type { Phase } from "../src/runner/phase.ts";
import { DOCKER_NEEDS } from "./045-docker-start.ts";
import type { AnyWanted } from "../src/host/kinds/index.ts";
import { DOCKER_BRIDGE, ownEngineSettings, renderEngineUnit } from "../src/docker/engine-unit.ts";
import { dirname } from "node:path";

/** Docker's daemon.json: log limits, live restore, cgroup driver; everything else in it stays as it is. */
export const dockerConfigure: Phase = {
  id: "040-docker-configure",
  title: "Configure Docker",
  roles: ["master", "worker"],
  needs: [],
  async start(ctx) {
    const { host, paths } = ctx;
    const runtime = await ensureAll(host, ctx.node.runtime === "bundled" ? runtimeOf(ctx) : []);
    const before = parseDockerSettings(await host.read(paths.daemonJson), paths.daemonJson);
    const hasBridge = await host.exists(`/sys/class/net/${DOCKER_BRIDGE}`);
    const after = mergeSettings(before, { ...ctx, hasBridge });
    const need = dockerNeed(before, after);
    if (need === "nothing") return runtime;
    const older = await host.read(DOCKER_NEEDS);
    return await ensureAll(host, [
      // First the note of what Docker needs, then the reason: a kill in between costs one restart too many.
      { kind: "file", path: DOCKER_NEEDS, content: older === "restart" ? older : need, mode: 0o600 },
      { kind: "dir", path: "/etc/docker", mode: 0o755 },
      { kind: "file", path: paths.daemonJson, content: `${JSON.stringify(after, null, 2)}\n`, mode: 0o644 },
    ]);
  },
  // What Docker is told stays until reset: other containers of the host live with it.
  stop: async () => "unchanged",
};

/** The engine of the bundle: its files, its unit, and the places that it will fill. */
function runtimeOf({ bundle, config, paths }: Ctx): AnyWanted[] {
  const dirs = ["bin", "lib", "lib/xtables"].map((name): AnyWanted => ({
    kind: "dir",
    path: `${paths.runtimeDir}/${name}`,
    mode: 0o755,
  }));
  const files = bundle.runtime.map((entry): AnyWanted => ({
    kind: "copy",
    path: `${paths.runtimeDir}/${entry.name}`,
    source: () => bundle.content(entry),
    sha256: entry.sha256,
    size: entry.size,
    mode: entry.mode,
  }));
  const links = (bundle.index.links ?? []).map(({ name, target }): AnyWanted => ({
    kind: "link",
    path: `${paths.runtimeDir}/${name}`,
    target,
  }));
  const claimed = [
    config.dockerDataDir,
    "/etc/docker",
    "/run/docker",
    "/run/docker.sock",
    "/run/docker.pid",
    // Made by containerd, whatever its settings.
    "/run/containerd",
    "/opt/containerd",
  ];
  return [
    ...dirs,
    ...files,
    ...links,
    ...claimed.map((path): AnyWanted => ({ kind: "tree", path })),
    { kind: "dir", path: dirname(paths.engineUnit), mode: 0o755 },
    { kind: "file", path: paths.engineUnit, content: renderEngineUnit(config), mode: 0o644 },
  ];
}

/**
 * The settings with ours on top. What the operator has set stays where it is safe: another log driver with its options,
 * and limits of his own.
 */
export function mergeSettings(
  before: DockerSettings,
  { config, node, hasBridge = false }: Pick<Ctx, "config" | "node"> & { hasBridge?: boolean },
): DockerSettings {
  const own = node.runtime === "bundled" ? ownEngineSettings(config, { hasBridge }) : undefined;
  const after: DockerSettings = {
    ...own?.preferred,
    ...before,
    ...own?.fixed,
    "live-restore": config.dockerLiveRestore,
  };
  const driver = before["log-driver"] ?? "json-file";
  const options = before["log-opts"] as DockerSettings | undefined;
  if (driver === "json-file" && options?.["max-size"] === undefined) {
    after["log-driver"] = driver;
    after["log-opts"] = {
      "max-size": config.containerLogMaxSize,
      "max-file": String(config.containerLogMaxFiles),
      ...options,
    };
  }
  if (config.dockerCgroupDriver !== "auto") {
    const others = ((before["exec-opts"] as string[] | undefined) ?? []).filter(
      (option) => !option.startsWith("native.cgroupdriver="),
    );
    after["exec-opts"] = [...others, `native.cgroupdriver=${config.dockerCgroupDriver}`];
  }
  return after;
}
