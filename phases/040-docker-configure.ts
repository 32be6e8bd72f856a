import type { Ctx } from "../src/ctx.ts";
import { dockerNeed, type DockerSettings, parseDockerSettings } from "../src/docker/settings.ts";
import { ensureAll } from "../src/host/host.ts";
import type { Phase } from "../src/runner/phase.ts";
import { DOCKER_NEEDS } from "./045-docker-start.ts";

/** Docker's daemon.json: log limits, live restore, cgroup driver; everything else in it stays as it is. */
export const dockerConfigure: Phase = {
  id: "040-docker-configure",
  title: "Configure Docker",
  roles: ["master", "worker"],
  needs: [],
  async start(ctx) {
    const { host, paths } = ctx;
    const before = parseDockerSettings(await host.read(paths.daemonJson), paths.daemonJson);
    const after = mergeSettings(before, ctx);
    const need = dockerNeed(before, after);
    if (need === "nothing") return "unchanged";
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

/**
 * The settings with ours on top. What the operator has set stays where it is safe: another log driver with its options,
 * and limits of his own.
 */
export function mergeSettings(before: DockerSettings, { config }: Pick<Ctx, "config">): DockerSettings {
  const after: DockerSettings = { ...before, "live-restore": config.dockerLiveRestore };
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
