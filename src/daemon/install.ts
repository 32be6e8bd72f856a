import { statSync } from "node:fs";
import { fileContent } from "../bundle/content.ts";
import { SELF } from "../bundle/sources.ts";
import type { Ctx } from "../ctx.ts";
import { sha256File } from "../host/hash.ts";
import { ensureAll, type Outcome } from "../host/host.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { paths } from "../paths.ts";
import { DAEMON_UNIT, renderDaemonUnit } from "./unit.ts";

/**
 * Puts the running program in its place on the node, and its unit, to be started at boot from now on. After this, a node
 * whose power is cut comes up by itself.
 */
export async function installDaemon({ host, bundle }: Ctx): Promise<Outcome> {
  // From source there is no program to install.
  if (!Bun.isStandaloneExecutable) return "unchanged";
  const files = await ensureAll(host, [
    { kind: "dir", path: "/opt/pf9/nodelet", mode: 0o755 },
    await copyOf(SELF, { path: paths.program, mode: 0o755 }),
    ...(await separateBundle(bundle)),
    { kind: "dir", path: "/etc/systemd/system", mode: 0o755 },
    { kind: "file", path: paths.daemonUnit, content: renderDaemonUnit(), mode: 0o644 },
  ]);
  if (host.detached) return files;
  // systemd does not see by itself that the file of a unit that it knows is another one.
  if (files === "changed") await host.run(["systemctl", "daemon-reload"]);
  const unit = { kind: "unit", name: DAEMON_UNIT, active: await isActive(host), enabled: true } as const;
  return (await host.ensure(unit)) === "changed" ? "changed" : files;
}

/**
 * A bundle that came as a file of its own: the node must be able to load from it when its medium is gone. One that is behind
 * the program travels with it; a directory stays where it is.
 */
async function separateBundle({ source }: Ctx["bundle"]): Promise<AnyWanted[]> {
  if (!source || [process.execPath, paths.installedBundle, paths.program].includes(source.path)) return [];
  if (!statSync(source.path).isFile()) return [];
  return [
    await copyOf(source.path, { path: paths.installedBundle, mode: 0o644 }),
    // Those of one that was streamed before.
    { kind: "absent", path: paths.bundleGaps },
  ];
}

async function copyOf(file: string, to: { path: string; mode: number }): Promise<AnyWanted> {
  const { size } = statSync(file);
  return { kind: "copy", ...to, source: () => fileContent(file, size), sha256: await sha256File(file), size };
}

/** Starts the daemon, anew where it runs from another program or unit than what is installed now. */
export async function startDaemon({ host }: Ctx, installed: Outcome): Promise<void> {
  if (!Bun.isStandaloneExecutable || host.detached) return;
  if (installed === "changed" && (await isActive(host)))
    await host.run(["systemctl", "restart", DAEMON_UNIT], { timeoutMs: 120_000 });
  await host.ensure({ kind: "unit", name: DAEMON_UNIT, active: true, enabled: true });
}

async function isActive(host: Ctx["host"]): Promise<boolean> {
  const { stdout } = await host.run(["systemctl", "is-active", DAEMON_UNIT], { check: false });
  return stdout.trim() === "active";
}
