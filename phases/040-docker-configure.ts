import { AppError } from "../src/errors.ts";
import type { Ctx } from "../src/ctx.ts";
import { ensureAll } from "../src/host/host.ts";
import type { Phase } from "../src/runner/phase.ts";
import { RESTART_MARKER } from "./045-docker-start.ts";

type Settings = Record<string, unknown>;

/** Docker's daemon.json: log limits, live restore, cgroup driver; everything else in it stays as it is. */
export const dockerConfigure: Phase = {
  id: "040-docker-configure",
  title: "Configure Docker",
  roles: ["master", "worker"],
  needs: [],
  async start(ctx) {
    const { host, paths } = ctx;
    const before = parseSettings(await host.read(paths.daemonJson), paths.daemonJson);
    const after = mergeSettings(before, ctx);
    if (Bun.deepEquals(before, after)) return "unchanged";
    return await ensureAll(host, [
      // First the note that Docker must start anew, then the reason: a kill in between costs one restart too many.
      { kind: "file", path: RESTART_MARKER, content: "daemon.json changed\n", mode: 0o600 },
      { kind: "dir", path: "/etc/docker", mode: 0o755 },
      { kind: "file", path: paths.daemonJson, content: `${JSON.stringify(after, null, 2)}\n`, mode: 0o644 },
    ]);
  },
  // What Docker is told stays until reset: other containers of the host live with it.
  stop: async () => "unchanged",
};

function parseSettings(text: string | undefined, path: string): Settings {
  if (text === undefined || text.trim() === "") return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed !== null && typeof parsed === "object" && !Array.isArray(parsed)) return parsed as Settings;
  } catch {
    // Told below, with the same way out.
  }
  throw new AppError(`Cannot read "${path}": it is not a JSON object`, {
    hint: "correct or remove it; Docker itself does not start with it",
  });
}

/**
 * The settings with ours on top. What the operator has set stays where it is safe: another log driver keeps its own
 * options.
 */
export function mergeSettings(before: Settings, { config }: Pick<Ctx, "config">): Settings {
  const after: Settings = { ...before, "live-restore": config.dockerLiveRestore };
  const driver = before["log-driver"] ?? "json-file";
  if (driver === "json-file") {
    after["log-driver"] = driver;
    after["log-opts"] = {
      "max-size": config.containerLogMaxSize,
      "max-file": String(config.containerLogMaxFiles),
      ...(before["log-opts"] as Settings | undefined),
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
