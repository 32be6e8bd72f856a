// A bare host is after `nodelet reset` what it was before `nodelet init`, however often, and whatever became of the node in
// between. The judge looks from outside too: routes, interfaces, packet filter.
import { describe, expect } from "bun:test";
import { killInit, settleKernel } from "../lab/faults.ts";
import { initNode, story } from "../lab/harness.ts";
import { diff, type Snapshot, snapshot } from "../lab/snapshot.ts";
import { expectUndone } from "../lab/undone.ts";

const NOTHING = { exitCode: 0, stdout: "Nothing to undo: this host is not a node.\n", stderr: "" };

describe("a bare host", () => {
  let before: Snapshot;
  const { step } = story({ name: "e2e-bare-cycles", ip: "10.89.0.22", bare: true }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
  });

  step("is another one as a node, and the judge sees it", async (node) => {
    await initNode(node);
    const made = diff(before, await snapshot(node.host));
    const seen = ["+ link cni0", "+ route 10.21.0.0/16 dev eth0", "+ process dockerd", "+ cgroup/kubepods"];
    for (const start of [...seen, "+ iptables *nat :KUBE-SERVICES", "+ mount /var/opt/pf9/docker/overlay2"])
      expect(made.filter((line) => line.startsWith(start))).not.toEqual([]);
  });

  for (const cycle of [1, 2, 3, 4, 5]) {
    step(`is the same after init and reset, cycle ${cycle}`, async (node) => {
      if (cycle > 1) await initNode(node);
      await expectUndone(node, before);
      expect(await node.nodelet(["reset", "--yes"])).toEqual(NOTHING);
    });
  }

  const moments = [
    { phase: "040-docker-configure", plusMs: 100 },
    { phase: "048-load-images", plusMs: 500 },
    { phase: "100-wait-for-k8s-services", plusMs: 1500 },
  ];
  for (const moment of moments) {
    step(`is the same after a reset of an init that was killed in ${moment.phase}`, async (node) => {
      await killInit(node, moment);
      await expectUndone(node, before);
    });
  }

  step("is the same after its engine was killed and lost its data", async (node) => {
    await initNode(node);
    await node.sh(
      "systemctl stop pf9-nodeletd; systemctl kill -s KILL pf9-docker; rm -rf /var/opt/pf9/docker 2>/dev/null || true",
    );
    await expectUndone(node, before);
  });

  step("is the same after its engine does not start any more", async (node) => {
    await initNode(node);
    await node.sh(
      "systemctl stop pf9-nodeletd; systemctl kill -s KILL pf9-docker; : >/opt/pf9/bin/dockerd; systemctl daemon-reload",
    );
    await expectUndone(node, before);
  });
});
