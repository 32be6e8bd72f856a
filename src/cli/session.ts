import { randomUUID } from "node:crypto";
import { allPhases, phasesOf } from "../../phases/index.ts";
import { type Bundle, EMPTY_BUNDLE, openBundle } from "../bundle/bundle.ts";
import type { Trust } from "../bundle/bundle-file.ts";
import { builtInKeys, readPublicKey } from "../bundle/trust.ts";
import type { Config } from "../config/config.ts";
import { type Ctx, type Log, systemClock } from "../ctx.ts";
import { dockerEngine } from "../docker/engine.ts";
import { AppError, ConfigError, messageOf, PreflightError } from "../errors.ts";
import { Declaration, declaringHost } from "../host/declared.ts";
import { Journal } from "../host/journal.ts";
import { type Lock, takeLockFrom } from "../host/lock.ts";
import type { Machine } from "../host/machine.ts";
import { placeOf } from "../host/machine.ts";
import { type PlannedChange, realHost, recordingHost } from "../host/real.ts";
import { run } from "../host/run.ts";
import { kubeClient } from "../kube/client.ts";
import { fileLog, limitsOf, silentLog, teeLog } from "../log.ts";
import { nodeFacts, readHostNames } from "../node-facts.ts";
import { paths } from "../paths.ts";
import { noteEvent } from "../runner/book.ts";
import type { Listener } from "../runner/events.ts";
import type { Phase } from "../runner/phase.ts";
import { discoverSitePhases } from "../site-phases/discover.ts";
import { mergePhases } from "../site-phases/merge.ts";
import type { Io } from "./io.ts";
import { logLine, timestamp } from "./progress.ts";

/** Options that every command has. */
export interface GlobalOptions {
  root: string;
  config?: string;
  verbose?: boolean;
}

/** What the daemon's worker is called in the lock. */
export const WORKER = "nodeletd reconcile";

/** What a host is recorded as. */
export interface ClusterRecord {
  clusterId: string;
  role: string;
  /** Settled by the first run. */
  nodeName?: string;
  nodeIp?: string;
  /** Given by the cluster. */
  podCidr?: string;
  /** It came to a cluster that was there. */
  joined?: boolean;
  runtime?: "host" | "bundled";
}

/** Everything that a command on a node works with. */
export interface Session {
  ctx: Ctx;
  phases: readonly Phase[];
  machine: Machine;
  journal: Journal;
  /** What a dry run would change, or what was left out under another root. */
  plan: PlannedChange[];
  /** Why there is no bundle, where the command goes on without one. */
  bundleProblem: AppError | undefined;
  /** What this host was recorded as by an earlier run. */
  recorded: ClusterRecord | undefined;
  /** Does work with phases, and keeps what they brought about, so that the daemon notices when others change it. */
  declaring<T>(work: (ctx: Ctx) => Promise<T>): Promise<T>;
  /** Writes events into kube.log and the notes of the phases. */
  record: Listener;
}

/** How a session is opened. */
export interface SessionOptions {
  options: GlobalOptions;
  io: Io;
  signal: AbortSignal;
  /** Flags that stand over the configuration files, by key. */
  flags?: Record<string, unknown>;
  /** `look` leaves no trace; `plan` is a dry run; `change` writes the journal and the log. */
  purpose: "look" | "plan" | "change";
  /** On a host that is no node yet, the command goes on without a bundle, or tells itself what is wrong with it. */
  withoutBundle?: boolean;
  /** The bundle comes later: without one the command goes on on a node as well. */
  bundleLater?: boolean;
  /** The bundle that the host will have. */
  bundle?: Bundle;
  /** What a cluster gives a host that joins it and has not written it down yet. */
  cluster?: { record: ClusterRecord; config: Readonly<Record<string, unknown>> };
  /** The command has no use for phases, so what a site adds to them cannot stop it. */
  withoutSitePhases?: boolean;
}

/** @throws PreflightError for another user than root, on a real host */
export function expectRoot(options: Pick<GlobalOptions, "root">): void {
  const uid = process.getuid?.();
  if (options.root !== "/" || uid === 0) return;
  throw new PreflightError([
    { code: "NotRoot", message: `Running as user ${uid}; expected root`, hint: "run it with sudo" },
  ]);
}

/**
 * What every command needs that changes a real host: root, and the lock. Under another root, and in a dry run, neither. The
 * daemon's worker gives way to an operator at its next safe point, and waits for as long as the lock is held: who asks a question asks it
 * before.
 *
 * @throws PreflightError for another user; LockedError naming who is at work
 */
export async function operatorLock(
  options: GlobalOptions & { dryRun?: boolean },
  command: string,
): Promise<Lock | undefined> {
  if (options.root !== "/" || options.dryRun) return undefined;
  expectRoot(options);
  return await takeLockFrom(WORKER, { path: paths.lock, command });
}

/** The machine under a root, with its engine. */
export function openMachine(root: string): Machine {
  return { root, run, docker: dockerEngine() };
}

/** Reads the configuration as files and flags give it. @throws ConfigError with every problem */
export async function readConfig(
  machine: Machine,
  options: {
    config?: string;
    flags?: Record<string, unknown>;
    /** Values that stand below those of the files. */
    shared?: Readonly<Record<string, unknown>>;
  },
): Promise<Config> {
  const { loadConfig, readConfigDir, readOverrideFile } = await import("../config/load.ts");
  const path = options.config ?? placeOf(machine, paths.configDir);
  const own = await readConfigDir(path, { mustExist: options.config !== undefined });
  const shared = options.shared
    ? [{ path: "what the master says", text: JSON.stringify(options.shared) }]
    : [];
  const files = [...shared, ...own];
  // What the daemon kept has the variables in it; those of the disk may be what it had to be kept for.
  if (isApplied(machine, options.config)) return loadConfig({ files });
  const override = await readOverrideFile(placeOf(machine, paths.kubeOverride));
  return loadConfig({ files, flags: options.flags ?? {}, override });
}

/** True for the configuration that the daemon keeps for when that of the disk is not valid. */
function isApplied(machine: Machine, config: string | undefined): boolean {
  return config === placeOf(machine, paths.appliedConfig);
}

/** Opens a session: configuration, what the host is, the bundle, and the door to the machine. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { signal, purpose } = options;
  const machine = openMachine(options.options.root);
  const { config: file } = options.options;
  const config = await readConfig(machine, {
    ...(file && { config: file }),
    flags: options.flags ?? {},
    ...(options.cluster && { shared: options.cluster.config }),
  });
  const journal = new Journal(machine);
  const plan: PlannedChange[] = [];
  const log = openLog(machine, { ...options, config });
  const host =
    purpose === "plan"
      ? recordingHost(machine, plan)
      : realHost(machine, {
          journal,
          plan,
          onChange: (change) =>
            log.info(`changed ${change.kind} ${change.key}: ${change.from} -> ${change.to}`),
        });
  const recorded = parseRecord(await host.read(paths.cluster));
  const facts = options.cluster?.record ?? recorded;
  // A worker has nothing of an administrator: it is itself, and no more.
  const identity = config.role === "worker" ? "kubelet-client" : "admin";
  const certs = {
    ca: `${paths.certs}/ca.crt`,
    cert: `${paths.certs}/${identity}.crt`,
    key: `${paths.certs}/${identity}.key`,
  };
  let bundleProblem: AppError | undefined;
  const found = options.bundle ?? openBundle(host, { path: config.bundle, trust: trustOf(config) });
  const bundle = await Promise.resolve(found).catch((error: unknown) => {
    const needed = purpose !== "look" && !options.withoutBundle;
    const isNode = recorded !== undefined && !options.bundleLater;
    if (needed || isNode || !(error instanceof AppError)) throw error;
    bundleProblem = error;
    return EMPTY_BUNDLE;
  });
  const node = nodeFacts(config, {
    names: readHostNames(),
    clusterId: facts?.clusterId ?? randomUUID(),
    // What a bundle brings that cannot be read is not known; that it cannot is told, and what the host may lack is not.
    bringsRuntime: bundleProblem !== undefined || bundle.runtime.length > 0,
    ...(facts && { recorded: facts }),
  });
  const ctx: Ctx = Object.freeze({
    config,
    node,
    paths,
    host,
    docker: machine.docker,
    kube: kubeClient({ host, server: node.server, certs, signal }),
    bundle,
    log,
    clock: systemClock,
    signal,
  });
  const notes = placeOf(machine, paths.phases);
  const record: Listener = (event) => {
    log.info(logLine(event));
    if (purpose === "change") noteEvent(notes, event);
  };
  const declaring = async <T>(work: (ctx: Ctx) => Promise<T>): Promise<T> => {
    if (purpose !== "change") return await work(ctx);
    const declaration = new Declaration();
    try {
      return await work({ ...ctx, host: declaringHost(host, declaration) });
    } finally {
      await declaration
        .save(machine, placeOf(machine, paths.declared))
        .catch((error: unknown) => log.warn(messageOf(error)));
    }
  };
  const taken = allPhases.map(({ id }) => id);
  const added =
    options.withoutSitePhases || isApplied(machine, file)
      ? []
      : await discoverSitePhases({ host, config, taken, plan, signal });
  return {
    ctx,
    declaring,
    phases: mergePhases(phasesOf(roleOf(config), ctx.bundle), added),
    machine,
    journal,
    plan,
    bundleProblem,
    recorded,
    record,
  };
}

function openLog(machine: Machine, call: SessionOptions & { config: Config }): Log {
  const { options, io, purpose, config } = call;
  const log =
    purpose === "change"
      ? fileLog(placeOf(machine, paths.kubeLog), {
          stamp: () => timestamp(systemClock),
          limits: () => limitsOf(config),
        })
      : silentLog;
  return options.verbose ? teeLog(log, (line) => io.err(`${line}\n`)) : log;
}

/** Whose bundles are taken. */
export function trustOf({ trustedKey, insecureBundle }: Config): Trust {
  const given = trustedKey ? [readPublicKey(trustedKey, "trustedKey")] : [];
  return { trusted: [...builtInKeys(), ...given], insecure: insecureBundle };
}

function roleOf(config: Config): "master" | "worker" {
  if (config.role !== "none") return config.role;
  throw new ConfigError(['role: "none" has no phases; expected master or worker']);
}

function parseRecord(text: string | undefined): ClusterRecord | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as ClusterRecord;
  } catch {
    throw new AppError(`Cannot read "${paths.cluster}": it is not JSON`, {
      hint: `write {"clusterId":"…","role":"master"} into it, or run nodelet reset`,
    });
  }
}
