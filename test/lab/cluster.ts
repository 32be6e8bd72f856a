import { afterAll, beforeAll, test } from "bun:test";
import { startNode, type TestNode, waitUntil } from "./harness.ts";
import { watchHosts } from "./watch.ts";

/** A host of a cluster that a story makes. */
export interface Member {
  name: string;
  /** In 10.89.0.0/24. */
  ip: string;
  role: "master" | "worker";
}

/** A cluster of bare hosts; all but the first have only the program. */
export interface Cluster {
  /** All hosts, in the order of the list. */
  nodes: TestNode[];
  node(name: string): TestNode;
  /** The masters; without one that is being replaced. */
  masters(): TestNode[];
  /** Puts a new host in the place of one: same name, same address, empty disks. */
  replace(name: string): Promise<TestNode>;
}

const SETUP_DEADLINE_MS = 900_000;
const JOIN_DEADLINE_MS = 400_000;

/**
 * Makes the hosts of a story before its first test, and removes them after the last one.
 *
 * @param setup done once, before the first test
 */
export function clusterStory(members: readonly Member[], setup: (cluster: Cluster) => Promise<void>) {
  const nodes = new Map<string, TestNode>();
  const watch = watchHosts(() => [...nodes.values()]);
  const start = async ({ name, ip }: Member, at: number) =>
    void nodes.set(name, await startNode({ name, ip, bare: true, joiner: at > 0 }));
  const cluster: Cluster = {
    get nodes() {
      return members.map(({ name }) => cluster.node(name));
    },
    node(name) {
      const found = nodes.get(name);
      if (found) return found;
      throw new Error(`Cannot use the host ${name}: it was not started`);
    },
    masters: () =>
      members.flatMap(({ name, role }) => {
        const found = role === "master" ? nodes.get(name) : undefined;
        return found ? [found] : [];
      }),
    async replace(name) {
      const at = members.findIndex((member) => member.name === name);
      await nodes.get(name)?.host.remove();
      nodes.delete(name);
      await start(members[at] as Member, Math.max(at, 1));
      return cluster.node(name);
    },
  };
  beforeAll(
    () =>
      watch.part(async () => {
        for (const [at, member] of members.entries()) await start(member, at);
        await setup(cluster);
      }),
    SETUP_DEADLINE_MS,
  );
  afterAll(() => watch.end(), SETUP_DEADLINE_MS);
  return {
    cluster,
    step: (name: string, work: (cluster: Cluster) => Promise<void>, timeoutMs = 600_000) =>
      test(name, () => watch.part(() => work(cluster)), timeoutMs),
  };
}

/** Makes a token on a master. */
export async function makeToken(master: TestNode, args: string[]): Promise<string> {
  const done = await master.nodelet(["token", "create", "--quiet", ...args]);
  if (done.exitCode !== 0) throw new Error(`token create ended with code ${done.exitCode}: ${done.stderr}`);
  return done.stdout.trim();
}

/** Has a host join, or fails with all that the program said. @returns how long it took, in milliseconds */
export async function joinNode(
  node: TestNode,
  call: { at: string; token: string; args?: string[] },
): Promise<number> {
  const begun = performance.now();
  const words = ["join", call.at, "--token-file", "-", ...(call.args ?? [])];
  const done = await node.nodelet(words, { input: `${call.token}\n`, timeoutMs: JOIN_DEADLINE_MS });
  if (done.exitCode !== 0)
    throw new Error(`join of ${node.name} ended with code ${done.exitCode}: ${done.stdout}${done.stderr}`);
  const ms = performance.now() - begun;
  process.stderr.write(`${node.name} joined after ${(ms / 1000).toFixed(1)} s\n`);
  return ms;
}

/** Waits until all these nodes are Ready by a heartbeat of now, as a node sees it that is up. */
export async function allReady(
  seenBy: TestNode,
  { names, deadlineMs = 240_000 }: { names: readonly string[]; deadlineMs?: number },
): Promise<void> {
  await waitUntil(
    async () => {
      const { items } = await seenBy.get("nodes");
      const bad = names.filter((name) => !isReady(items.find((one: any) => one.metadata.name === name)));
      if (bad.length > 0) throw new Error(`not Ready: ${bad.join(", ")}`);
      return true;
    },
    { what: `all of ${names.join(", ")} Ready`, deadlineMs },
  );
}

function isReady(node: any): boolean {
  return node?.status.conditions?.some((one: any) => one.type === "Ready" && one.status === "True") ?? false;
}

/** Voters of etcd by name, as a master lists them; a learner has its name with `(learner)` behind. */
export async function etcdMembers(master: TestNode): Promise<string[]> {
  const done = await master.nodelet(["etcd", "members", "-o", "json"]);
  if (done.exitCode !== 0) throw new Error(`etcd members ended with code ${done.exitCode}: ${done.stderr}`);
  const list = JSON.parse(done.stdout) as { name: string; learner?: boolean; isLearner?: boolean }[];
  return list
    .map(({ name, learner, isLearner }) => (learner || isLearner ? `${name} (learner)` : name))
    .sort();
}
