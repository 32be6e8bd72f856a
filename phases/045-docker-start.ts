import type { Ctx } from "../src/ctx.ts";
import { AppError } from "../src/errors.ts";
import { engineUnit } from "../src/docker/engine-unit.ts";
import { endOrphans, findOrphans } from "../src/docker/orphans.ts";
import { ensureAll } from "../src/host/host.ts";
import { removePodContainers } from "../src/host/kinds/claims.ts";
import { readUnit, type UnitFound } from "../src/host/kinds/unit.ts";
import { paths } from "../src/paths.ts";
import { votesYet } from "../src/removal.ts";
import type { Phase } from "../src/runner/phase.ts";
import { stateOf } from "../src/runner/phase.ts";
import { type Poll, until } from "../src/runner/wait.ts";

/** Says `reload` or `restart` from when daemon.json changed until Docker has taken it. */
export const DOCKER_NEEDS = `${paths.stateDir}/docker-needs`;

const SOCKET = "docker.socket";

/** The container engine, running with the configuration that it has. */
export const dockerStart: Phase = {
  id: "045-docker-start",
  title: "Start Docker",
  roles: ["master", "worker"],
  needs: ["040-docker-configure"],
  async start(ctx) {
    const { host } = ctx;
    const unit = engineUnit(ctx.node);
    const ran = !host.detached && (await readUnit(host, unit)).active;
    const outcome = await ensureAll(host, [
      // The engine's start brings its socket up, which would outlive it unnoticed.
      ...(!ran && (await hasSocket(ctx)) ? [{ kind: "unit", name: SOCKET, active: true } as const] : []),
      { kind: "unit", name: unit, active: true, enabled: true },
    ]);
    const orphans = await endOrphans(host);
    for (const { id, pid } of orphans)
      ctx.log.info(`changed process ${pid} of the lost container ${id.slice(0, 12)}: running -> ended`);
    const need = await host.read(DOCKER_NEEDS);
    if (host.detached || need === undefined) return orphans.length > 0 ? "changed" : outcome;
    // One that was started just now has read its settings; one that was only enabled has not.
    if (ran)
      await host.run(["systemctl", need === "reload" ? "reload" : "restart", unit], { timeoutMs: 120_000 });
    await host.ensure({ kind: "absent", path: DOCKER_NEEDS });
    return "changed";
  },
  async ready(ctx, say) {
    if (ctx.host.detached) return;
    await until(() => poll(ctx), {
      action: "start Docker",
      timeoutMs: 60_000,
      clock: ctx.clock,
      signal: ctx.signal,
      say,
      hint: `see "journalctl -u ${engineUnit(ctx.node)}"`,
    });
    await checkCgroupDriver(ctx.config.dockerCgroupDriver, (await ctx.docker.info()).cgroupDriver);
  },
  async stop(ctx) {
    const removed = await removePodContainers(ctx);
    // Docker ends with us only when it was not running before us.
    const unit = engineUnit(ctx.node);
    const before = ctx.host.before("unit", unit) as UnitFound | undefined;
    if (before?.active !== false || (await votesYet(ctx))) return removed > 0 ? "changed" : "unchanged";
    return await ensureAll(ctx.host, [
      ...((await hasSocket(ctx)) ? [{ kind: "unit", name: SOCKET, active: false } as const] : []),
      { kind: "unit", name: unit, active: false },
    ]);
  },
  async status(ctx) {
    if (!(await ctx.docker.alive())) return stateOf(false, "Docker does not answer a ping");
    const { length } = await findOrphans(ctx.host);
    if (length === 0) return { state: "running" };
    return { state: "failed", message: `${length} containers run that Docker has lost` };
  },
};

async function hasSocket({ host, node }: Ctx): Promise<boolean> {
  if (host.detached || node.runtime === "bundled") return false;
  const { stdout } = await host.run(["systemctl", "show", SOCKET, "--property=LoadState"]);
  return stdout.trim() === "LoadState=loaded";
}

/** A reload is only a signal: that the settings are taken shows in the engine's own facts. */
async function poll({ docker, config }: Ctx): Promise<Poll<true>> {
  if (!(await docker.alive())) return { missing: "Docker does not answer a ping" };
  if ((await docker.info()).liveRestore !== config.dockerLiveRestore)
    return { missing: "Docker has not taken its settings" };
  return { value: true };
}

function checkCgroupDriver(wanted: string, found: string): void {
  if (wanted === "auto" || wanted === found) return;
  throw new AppError(`Cannot use Docker: its cgroup driver is "${found}"; expected "${wanted}"`, {
    hint: "remove native.cgroupdriver from the command line of dockerd, or set --docker-cgroup-driver auto",
  });
}
