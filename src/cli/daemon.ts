import { mkdirSync } from "node:fs";
import { sendAnswer } from "../bundle/send-answer.ts";
import { bundleServer } from "../bundle/serve.ts";
import { Daemon, type DaemonParts } from "../daemon/daemon.ts";
import { Desired } from "../daemon/desired.ts";
import { StatusLimit } from "../daemon/limit.ts";
import { followNodes } from "../daemon/nodes.ts";
import { MasterJoin } from "../daemon/join-service.ts";
import { keepCertificates } from "../daemon/renewal.ts";
import { Report } from "../daemon/report.ts";
import { followRoutes } from "../daemon/routes.ts";
import { serveStatus } from "../daemon/server.ts";
import { viewSource } from "../daemon/view.ts";
import { Wake } from "../daemon/wake.ts";
import { FileWatch, followDocker } from "../daemon/watch.ts";
import { runWorker } from "../daemon/worker.ts";
import { systemClock } from "../ctx.ts";
import { DOCKER_SOCKET } from "../docker/api.ts";
import { ExitCode } from "../errors.ts";
import { otherVoters } from "../etcd/voters.ts";
import { takeLock } from "../host/lock.ts";
import { placeOf } from "../host/machine.ts";
import { systemdNotifier } from "../host/notify.ts";
import { fileLog, limitsOf } from "../log.ts";
import { paths } from "../paths.ts";
import type { Io } from "./io.ts";
import { timestamp } from "./progress.ts";
import { type GlobalOptions, openMachine, openSession } from "./session.ts";
import { VERSION } from "./version.ts";

/** systemd ends a daemon that says nothing for a minute; it says so three times as often, in milliseconds. */
const WATCHDOG_MS = 20_000;

/** A sleep that is worth collecting garbage before it, in milliseconds. */
const LONG_SLEEP_MS = 5_000;

/** A look has a deadline for everything that it does; one that takes longer will never end, in milliseconds. */
const STUCK_MS = 180_000;

/** What `nodelet daemon` is called with. */
export interface DaemonCall {
  options: GlobalOptions;
  signal: AbortSignal;
  /** What systemd and the worker's runtime need of the environment. */
  env: { notifySocket: string | undefined };
}

/** Keeps this node as it is declared, until a signal. Started by `pf9-nodeletd.service`. */
export async function daemon(io: Io, { options, signal, env }: DaemonCall): Promise<number> {
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  using _lock = takeLock(paths.daemonLock, "nodelet daemon");
  const machine = openMachine("/");
  const log = fileLog(placeOf(machine, paths.kubeLog), {
    stamp: () => timestamp(systemClock),
    limits: () => desired.node && limitsOf(desired.node.ctx.config),
  });
  const wake = new Wake();
  using files = new FileWatch(machine, wake);
  const report = new Report(machine, { log, clock: systemClock });
  const desired = new Desired(machine, {
    version: VERSION,
    open: async (config) => {
      const session = await openSession({
        options: config ? { ...options, config } : options,
        io,
        signal,
        purpose: "look",
      });
      return { ctx: session.ctx, phases: session.phases };
    },
  });
  const serveBundle = bundleServer([paths.installedBundle, paths.program]);
  using joining = new MasterJoin({
    version: VERSION,
    bundle: async (request, response) => void (await sendAnswer(response, await serveBundle(request))),
    note: (words) => log.info(words),
    tell: (words) => report.event(words),
  });
  const work: DaemonParts["work"] = (task, { config, onLine, signal: end }) =>
    runWorker({
      task,
      program: [...program(), ...(config ? ["--config", config] : [])],
      onLine,
      signal: end,
      env: {},
    });
  using limit = new StatusLimit((words) => report.event(words));
  const loop = new Daemon({
    machine,
    desired,
    report,
    wake,
    files,
    clock: systemClock,
    monotonic: () => performance.now(),
    random: Math.random,
    // Left alone, the collector waits until there is more to collect than a daemon should have.
    rest: (sleepMs) => {
      if (sleepMs >= LONG_SLEEP_MS) Bun.gc(true);
    },
    limited: (node, work) => {
      server.follow(node.ctx.config.statusAddress);
      void joining.follow(node.ctx);
      const { useCgroups, cpuLimit } = node.ctx.config;
      return limit.within(useCgroups ? cpuLimit : 0, work);
    },
    work,
    signal,
  });
  using server = serveStatus({
    socket: paths.daemonSocket,
    tell: (words) => report.event(words),
    source: viewSource({
      machine,
      daemon: loop,
      report,
      desired,
      version: VERSION,
      startedAt: systemClock.now(),
    }),
  });
  const notify = systemdNotifier(env.notifySocket);
  notify("READY=1");
  const ping = setInterval(() => {
    if (loop.stuckMs < STUCK_MS) notify("WATCHDOG=1");
  }, WATCHDOG_MS);
  report.event(`nodelet ${VERSION} keeps this node`);
  try {
    await Promise.all([
      loop.run(),
      followDocker(wake, { socket: DOCKER_SOCKET, signal }),
      followRoutes(wake, {
        table: "/proc/net/route",
        ip: () => desired.node?.ctx.node.ip,
        clock: systemClock,
        signal,
      }),
      followNodes({
        machine,
        current: () => desired.node?.ctx,
        voters: otherVoters,
        tell: (words) => report.event(words),
        onChange: () => wake.poke("the nodes of the cluster"),
        clock: systemClock,
        random: Math.random,
        signal,
      }),
      keepCertificates({
        current: () => desired.node?.ctx,
        start: async () => (await work({ do: "start" }, { onLine() {}, signal })).outcome === "ok",
        tell: (words) => report.event(words),
        clock: systemClock,
        signal,
      }),
    ]);
  } finally {
    clearInterval(ping);
    notify("STOPPING=1");
  }
  await report.settled();
  log.info("nodeletd: ended");
  return ExitCode.ok;
}

/** The worker is the program that runs now, whatever lies at its place on the disk meanwhile. */
function program(): string[] {
  return Bun.isStandaloneExecutable ? [`/proc/${process.pid}/exe`] : [process.execPath, Bun.main];
}
