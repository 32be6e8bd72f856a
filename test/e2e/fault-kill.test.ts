// init that is killed with SIGKILL inside of any phase: the next one ends in the same healthy cluster, and reset knows it all.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  caDigest,
  expectCleanReset,
  expectHealthy,
  HostPool,
  killInit,
  settleKernel,
} from "../lab/faults.ts";
import { initNode, type TestNode } from "../lab/harness.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";

/** When a phase is killed, in milliseconds after its begin. */
interface Moments {
  phase: string;
  /** In a run that is undone then. */
  undone?: number;
  /** One after the other, each in a new run; the last is followed by a run to the end. */
  resumed: readonly number[];
}

/** Where a phase takes time, different parts of its work are hit; the others are over in an instant and killed at once. */
const MATRIX: readonly Moments[] = [
  { phase: "020-gen-certs", undone: 200, resumed: [50, 400] },
  { phase: "030-prepare-kube-configs", undone: 0, resumed: [5] },
  { phase: "040-docker-configure", undone: 0, resumed: [2] },
  { phase: "045-docker-start", undone: 100, resumed: [0, 300] },
  { phase: "048-load-images", undone: 700, resumed: [100, 1500] },
  { phase: "050-etcd-configure", resumed: [0] },
  { phase: "055-etcd-run", undone: 150, resumed: [0, 300] },
  { phase: "057-load-balancer", undone: 20, resumed: [100] },
  { phase: "060-network-configure", undone: 10, resumed: [0] },
  { phase: "065-cni-configure", undone: 50, resumed: [90] },
  { phase: "075-misc-scripts", resumed: [0] },
  { phase: "080-kubelet-configure-start", undone: 120, resumed: [30, 250] },
  { phase: "090-kube-proxy-start", undone: 60, resumed: [20] },
  { phase: "100-wait-for-k8s-services", undone: 1000, resumed: [0, 3000] },
  { phase: "110-label-taint-node", resumed: [0] },
  { phase: "115-network-plugin", resumed: [0] },
  { phase: "120-dynamic-kubelet-config", resumed: [0, 200] },
  { phase: "130-uncordon-node", resumed: [0] },
  { phase: "140-validate-dns", resumed: [50] },
  { phase: "180-configure-start-keepalived", resumed: [0] },
  { phase: "210-drain-pods", resumed: [0] },
];

/** For one test, from its turn on a host. */
const DEADLINE_MS = 300_000;
/** For a test with the time that it waits for its turn: with two hosts, half of all the others come first. */
const WITH_TURNS_MS = Math.ceil(MATRIX.length / 2 + 1) * DEADLINE_MS;

describe("init killed with SIGKILL", () => {
  const before = new Map<TestNode, Snapshot>();
  const pool = new HostPool([
    { name: "e2e-fault-kill-a", ip: "10.88.0.140" },
    { name: "e2e-fault-kill-b", ip: "10.88.0.141" },
  ]);
  beforeAll(
    () =>
      pool.start(async (node) => {
        await settleKernel(node);
        before.set(node, await snapshot(node.host));
      }),
    DEADLINE_MS,
  );
  afterAll(() => pool.end(), DEADLINE_MS);

  for (const { phase, undone, resumed } of MATRIX) {
    test.concurrent(
      `in ${phase}, and run again, ends in a healthy node with the same CA, and reset puts all back`,
      () =>
        pool.use(DEADLINE_MS, async (node) => {
          if (undone !== undefined) {
            await killInit(node, { phase, plusMs: undone });
            await expectCleanReset(node, before.get(node) ?? []);
          }
          const authorities = new Set<string>();
          for (const plusMs of resumed) authorities.add((await killInit(node, { phase, plusMs })).ca);
          await initNode(node);
          await expectHealthy(node);
          authorities.delete("");
          expect([...authorities]).toEqual(authorities.size > 0 ? [await caDigest(node)] : []);
          await expectPhases(node);
          await expectCleanReset(node, before.get(node) ?? []);
        }),
      WITH_TURNS_MS,
    );
  }
});

/** The matrix leaves no phase of the program out. */
async function expectPhases(node: TestNode): Promise<void> {
  const { stdout } = await node.nodelet(["phases", "list", "-o", "json"]);
  const listed = (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id);
  expect(MATRIX.map(({ phase }) => phase)).toEqual(listed);
}
