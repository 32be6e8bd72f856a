import { afterAll, beforeAll, test } from "bun:test";
import { dirname, join } from "node:path";
import { APPLIANCE } from "../../scripts/appliance.ts";
import type { ExecOptions, ExecResult, Running } from "../../scripts/lab/exec.ts";
import { type LabHost, startHost } from "../../scripts/lab/host.ts";
import { waitFor } from "../../scripts/lib/wait.ts";
import { watchHosts } from "./watch.ts";

const top = join(import.meta.dir, "../..");
/** For shell scripts: a bare host that has become a node has its tools among the programs of the node. */
export const TOOLS = "PATH=$PATH:/opt/pf9/bin";

const KUBECONFIGS = "/etc/pf9/kube.d/kubeconfigs";
/** Long enough for anything that a host does at once; what takes longer says so. */
const SETUP_DEADLINE_MS = 240_000;

/** Where the stack is on a test host, as a directory. */
export const STACK = "/srv/stack";

/** Where the bundle is on a test host, signed with this machine's development key. */
export const BUNDLE = "/srv/appliance/nodelet.bundle";

/** How a test host is made. */
export interface NodeOptions {
  /** Unique among all stories: it is the name of the host, of its container and of the Node. */
  name: string;
  /** In 10.88.0.0/24, unique as well. */
  ip: string;
  /** Directory of this machine that the host sees as /srv/stack. Default: dist/stack. */
  stack?: string;
  /** No Docker, no default route, no name server; the program is the appliance. In 10.89.0.0/24. */
  bare?: boolean;
  /** Only the program, without a bundle behind it: what it lacks comes from the masters. */
  joiner?: boolean;
}

/** A lab host with the program and the stack on it; not yet a node of anything. */
export interface TestNode extends AsyncDisposable {
  name: string;
  ip: string;
  host: LabHost;
  bare: boolean;
  /** Runs the program to its end. */
  nodelet(args: string[], options?: ExecOptions): Promise<ExecResult>;
  /** Starts the program, to be killed in the middle. */
  spawnNodelet(args: string[]): Promise<Running>;
  /** Runs kubectl, as the administrator or with the kubeconfig of another identity. */
  kubectl(args: string[], options?: ExecOptions & { as?: string }): Promise<ExecResult>;
  /** The standard output of a shell script, without the last line break. @throws when it fails */
  sh(script: string, options?: ExecOptions): Promise<string>;
  /** An object or a list of the API. @throws when kubectl fails */
  // Whatever the API gives.
  get(args: string): Promise<any>;
  /** Applies objects to the cluster. @throws when the API refuses one */
  apply(...objects: object[]): Promise<void>;
}

/** Makes a lab host, puts the program on it, and removes it at the end of the scope. */
export async function startNode(options: NodeOptions): Promise<TestNode> {
  const source = options.stack ?? join(top, "dist/stack");
  const host = await startHost({
    name: options.name,
    ip: options.ip,
    ...(options.bare && { bare: true }),
    shares: options.bare
      ? []
      : [
          { source, target: STACK },
          { source: dirname(APPLIANCE), target: dirname(BUNDLE) },
        ],
  });
  const program = options.bare && !options.joiner ? APPLIANCE : join(top, "dist/nodelet");
  await host.copyIn(program, "/usr/local/bin/nodelet").catch(async (error: unknown) => {
    await host.remove();
    throw error;
  });
  return nodeOn(host, options.bare ?? false);
}

function nodeOn(host: LabHost, bare: boolean): TestNode {
  const node: TestNode = {
    name: host.name,
    ip: host.ip,
    host,
    bare,
    nodelet: (args, options) => host.exec(["nodelet", ...args], { timeoutMs: 240_000, ...options }),
    spawnNodelet: (args) => host.spawn(["nodelet", ...args]),
    kubectl(args, { as = "admin", ...options } = {}) {
      const argv = ["/opt/pf9/bin/kubectl", "--kubeconfig", `${KUBECONFIGS}/${as}.yaml`];
      return host.exec([...argv, "--request-timeout=20s", ...args], options);
    },
    async sh(script, options) {
      const done = await host.exec(["bash", "-c", `set -o pipefail; ${TOOLS}; ${script}`], options);
      if (done.exitCode === 0) return done.stdout.trimEnd();
      throw new Error(`"${script}" ended with code ${done.exitCode}: ${done.stdout}${done.stderr}`);
    },
    async get(args) {
      const done = await node.kubectl(["get", ...args.split(" "), "-o", "json"]);
      if (done.exitCode === 0) return JSON.parse(done.stdout) as unknown;
      throw new Error(`kubectl get ${args} ended with code ${done.exitCode}: ${done.stderr}`);
    },
    async apply(...objects) {
      const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
      const done = await node.kubectl(["apply", "-f", "-"], { input });
      if (done.exitCode !== 0)
        throw new Error(`kubectl apply ended with code ${done.exitCode}: ${done.stderr}`);
    },
    [Symbol.asyncDispose]: () => host.remove(),
  };
  return node;
}

/**
 * Looks every 100 ms until a condition holds; what it throws counts as "not yet" and is told when the time is over.
 *
 * @returns the first value that is neither undefined nor false
 */
export async function waitUntil<T>(
  condition: () => Promise<T | undefined | false>,
  options: { what: string; deadlineMs: number },
): Promise<T> {
  return await waitFor(async () => (await condition()) || undefined, options);
}

/** A story: one host for all tests of a file. */
export interface Story {
  /** The host. Only inside of tests. */
  readonly node: TestNode;
  /** One test of the story. */
  step(name: string, work: (node: TestNode) => Promise<void>): void;
}

/**
 * Makes the host of a test file before its first test and removes it after the last one, unless KEEP says otherwise.
 *
 * @param setup done once, before the first test; when it fails, so do all tests
 */
export function story(
  options: NodeOptions,
  setup: (node: TestNode) => Promise<void> = async () => {},
): Story {
  let node: TestNode | undefined;
  const watch = watchHosts(() => (node ? [node] : []));
  const current = () => {
    if (node) return node;
    throw new Error(`Cannot use the host ${options.name}: it was not started`);
  };
  beforeAll(
    () =>
      watch.part(async () => {
        node = await startNode(options);
        await setup(node);
      }),
    SETUP_DEADLINE_MS,
  );
  afterAll(() => watch.end(), SETUP_DEADLINE_MS);
  return {
    get node() {
      return current();
    },
    step: (name, work) => test(name, () => watch.part(() => work(current()))),
  };
}

/** The words that make the host a node. A bare one takes what the appliance carries. */
export function initWords(node: TestNode): string[] {
  return ["init", ...(node.bare ? [] : ["--bundle", BUNDLE])];
}

/** Makes the host a node, or fails with all that the program said. */
export async function initNode(node: TestNode, args: string[] = []): Promise<ExecResult> {
  const done = await node.nodelet([...initWords(node), ...args]);
  if (done.exitCode !== 0)
    throw new Error(`init ended with code ${done.exitCode}: ${done.stdout}${done.stderr}`);
  return done;
}
