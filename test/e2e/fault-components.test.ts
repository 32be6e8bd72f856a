// A healthy node that loses its power, or its container engine for a moment, comes back by itself. What is removed or killed
// piece by piece is in broken.test.ts.
import { describe, expect } from "bun:test";
import { expectCleanReset, settleKernel } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";

const BACK_DEADLINE_MS = 180_000;

const kept = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "kept", namespace: "default" },
  data: { written: "before the cut" },
};

/** It heals by itself: only what a neighbour takes from the kernel that is everybody's is put back. */
async function untilHealthy(node: TestNode): Promise<void> {
  const look = async () => {
    await settleKernel(node);
    return (await node.nodelet(["phases", "status"])).exitCode === 0;
  };
  await waitUntil(look, {
    what: `all phases of ${node.name} running again`,
    deadlineMs: BACK_DEADLINE_MS,
  });
}

describe("a healthy node", () => {
  let before: Snapshot;
  const { step } = story({ name: "e2e-fault-back", ip: "10.88.0.161" }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
    await initNode(node);
  });

  step("keeps its containers while dockerd is started anew", async (node) => {
    const running = () =>
      node.sh("docker inspect -f '{{.Id}} {{.State.Pid}} {{.State.StartedAt}}' etcd proxy");
    const daemon = () => node.sh("systemctl show docker -P MainPID");
    const [containers, pid] = [await running(), await daemon()];
    await node.sh("systemctl restart docker");
    expect(await running()).toBe(containers);
    expect(await daemon()).not.toBe(pid);
    // The kubelet goes down and up with the engine.
    await untilHealthy(node);
  });

  step("comes back by itself after a power cut, with all that was acknowledged", async (node) => {
    await node.apply(kept);
    await node.host.kill();
    await node.host.start();
    await untilHealthy(node);
    expect((await node.get("configmap kept")).data).toEqual(kept.data);
    const conditions = (await node.get(`node ${node.name}`)).status.conditions;
    expect(conditions).toContainEqual(expect.objectContaining({ type: "Ready", status: "True" }));
    // What Docker starts by itself must find its files: where one is missing, it makes a directory.
    expect(await node.sh("stat -c %F /run/xtables.lock")).toMatch(/^regular (empty )?file$/);
  });

  step("needs nothing from a further init, and can still be undone", async (node) => {
    const again = await initNode(node);
    expect(again.stderr.split("\n").filter((line) => /: done, /.test(line))).toEqual([]);
    await expectCleanReset(node, before);
  });
});
