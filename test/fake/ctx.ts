import { type Bundle, openBundle } from "../../src/bundle/bundle.ts";
import type { BundleIndex } from "../../src/bundle/index-format.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Ctx } from "../../src/ctx.ts";
import type { Host } from "../../src/host/host.ts";
import { Journal } from "../../src/host/journal.ts";
import { type PlannedChange, recordingHost } from "../../src/host/real.ts";
import { nodeFacts } from "../../src/node-facts.ts";
import { paths } from "../../src/paths.ts";
import { writeBundle } from "./bundle.ts";
import { type FakeClock, fakeClock } from "./clock.ts";
import { attachedHost } from "./host.ts";
import { type FakeKube, fakeKube } from "./kube.ts";
import { type FakeMachine, fakeMachine } from "./machine.ts";
import { type TmpRoot, tmpRoot } from "./root.ts";

/** A whole world for phases: a context on fakes, and the fakes themselves. */
export interface World extends AsyncDisposable {
  /** On a running machine. */
  ctx: Ctx;
  /** The same node, in a dry run. */
  dry: Ctx;
  /** What the dry run would change. */
  plan: PlannedChange[];
  root: TmpRoot;
  machine: FakeMachine;
  kube: FakeKube;
  clock: FakeClock;
  journal: Journal;
  bundle: Bundle;
  /** What phases wrote into the log. */
  logged: string[];
  /** Ends the signal of the context, as Ctrl-C does. */
  abort(): void;
}

/** What a world is made with. */
export interface WorldOptions {
  /** Values of the configuration, as flags give them. */
  config?: Record<string, unknown>;
  index?: BundleIndex;
}

/** Makes a world; `await using` removes it. */
export async function world({ config: flags = {}, index }: WorldOptions = {}): Promise<World> {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const journal = new Journal(machine);
  const host = attachedHost(machine, { journal });
  const plan: PlannedChange[] = [];
  const controller = new AbortController();
  const config = loadConfig({ flags: { nodeName: "n1", nodeIp: "10.0.0.5", ...flags } });
  const names = { hostname: "n1", addresses: [], defaultInterface: undefined, hasDocker: true };
  await writeBundle(root.place("/bundle"), index);
  const kube = fakeKube();
  const clock = fakeClock();
  const logged: string[] = [];
  const bundle = await openBundle(host, {
    path: root.place("/bundle"),
    trust: { trusted: [], insecure: true },
  });
  const log = {
    info: (line: string) => void logged.push(line),
    warn: (line: string) => void logged.push(line),
  };
  const node = nodeFacts(config, { names, clusterId: "c-1", bringsRuntime: bundle.runtime.length > 0 });
  const common = {
    config,
    node,
    paths,
    docker: machine.docker,
    kube,
    bundle,
    log,
    clock,
    signal: controller.signal,
  };
  return {
    ctx: { ...common, host },
    dry: { ...common, host: recordingHost(machine, plan) },
    plan,
    root,
    machine,
    kube,
    clock,
    journal,
    bundle,
    logged,
    abort: () => controller.abort(),
    async [Symbol.asyncDispose]() {
      machine[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

/** The kinds and keys of a plan: `file /etc/x`. */
export function keysOf(plan: readonly PlannedChange[]): string[] {
  return plan.map(({ kind, key }) => `${kind} ${key}`);
}

/** A context whose host is another one. */
export function withHost(ctx: Ctx, host: Partial<Host>): Ctx {
  return { ...ctx, host: { ...ctx.host, ...host } };
}
