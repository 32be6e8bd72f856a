import type { Ctx } from "../src/ctx.ts";
import { AppError } from "../src/errors.ts";
import { ensureAll } from "../src/host/host.ts";
import { removePodContainers } from "../src/host/kinds/claims.ts";
import { readUnit, type UnitFound } from "../src/host/kinds/unit.ts";
import { paths } from "../src/paths.ts";
import type { Phase } from "../src/runner/phase.ts";
import { stateOf } from "../src/runner/phase.ts";
import { until } from "../src/runner/wait.ts";

/** There when daemon.json changed and Docker was not started anew since. */
export const RESTART_MARKER = `${paths.stateDir}/docker-restart-needed`;

const UNIT = "docker.service";
const SOCKET = "docker.socket";

/** The container engine, running with the configuration that it has. */
export const dockerStart: Phase = {
  id: "045-docker-start",
  title: "Start Docker",
  roles: ["master", "worker"],
  needs: ["040-docker-configure"],
  async start(ctx) {
    const { host } = ctx;
    const ran = !host.detached && (await readUnit(host, UNIT)).active;
    const outcome = await ensureAll(host, [
      // The engine's start brings its socket up, which would outlive it unnoticed.
      ...(!ran && (await hasSocket(ctx)) ? [{ kind: "unit", name: SOCKET, active: true } as const] : []),
      { kind: "unit", name: UNIT, active: true, enabled: true },
    ]);
    if (host.detached || !(await host.exists(RESTART_MARKER))) return outcome;
    // One that was started just now has read its settings; one that was only enabled has not.
    if (ran) await host.run(["systemctl", "restart", UNIT], { timeoutMs: 120_000 });
    await host.ensure({ kind: "absent", path: RESTART_MARKER });
    return "changed";
  },
  async ready(ctx, say) {
    if (ctx.host.detached) return;
    await until(
      async () => ((await ctx.docker.alive()) ? { value: true } : { missing: "Docker does not answer a ping" }),
      { action: "start Docker", timeoutMs: 60_000, clock: ctx.clock, signal: ctx.signal, say, hint: `see "journalctl -u ${UNIT}"` },
    );
    await checkCgroupDriver(ctx.config.dockerCgroupDriver, (await ctx.docker.info()).cgroupDriver);
  },
  async stop(ctx) {
    const removed = await removePodContainers(ctx);
    // Docker ends with us only when it was not running before us.
    const before = ctx.host.before("unit", UNIT) as UnitFound | undefined;
    if (before?.active !== false) return removed > 0 ? "changed" : "unchanged";
    return await ensureAll(ctx.host, [
      { kind: "unit", name: SOCKET, active: false },
      { kind: "unit", name: UNIT, active: false },
    ]);
  },
  status: async (ctx) => stateOf(await ctx.docker.alive(), "Docker does not answer a ping"),
};

async function hasSocket({ host }: Ctx): Promise<boolean> {
  if (host.detached) return false;
  const { stdout } = await host.run(["systemctl", "show", SOCKET, "--property=LoadState"]);
  return stdout.trim() === "LoadState=loaded";
}

function checkCgroupDriver(wanted: string, found: string): void {
  if (wanted === "auto" || wanted === found) return;
  throw new AppError(`Cannot use Docker: its cgroup driver is "${found}"; expected "${wanted}"`, {
    hint: "remove native.cgroupdriver from the command line of dockerd, or set --docker-cgroup-driver auto",
  });
}
