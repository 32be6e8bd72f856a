// `nodelet reset` puts back what it found, whatever happened before.
import { describe, expect } from "bun:test";
import { killInit } from "../lab/faults.ts";
import { initNode, story, type TestNode } from "../lab/harness.ts";
import { diff, snapshot } from "../lab/snapshot.ts";

const NOTHING = { exitCode: 0, stdout: "Nothing to undo: this host is not a node.\n", stderr: "" };
const UNDONE = {
  exitCode: 0,
  stdout: expect.stringMatching(/^Undid \d+ changes in .+; host equals its state before init\.\n$/),
  stderr: "",
};

const reset = (node: TestNode) => node.nodelet(["reset", "--yes"]);

describe("reset of a fresh host", () => {
  const { step } = story({ name: "e2e-reset", ip: "10.88.0.102" }, async (node) => {
    // What the engine and the kernel make at their first use is there before the first look.
    await node.sh("iptables -t nat -L >/dev/null; ip6tables -t nat -L >/dev/null");
  });

  step("has nothing to undo where nodelet never was", async (node) => {
    expect(await reset(node)).toEqual(NOTHING);
  });

  for (const cycle of [1, 2, 3]) {
    step(`leaves nothing behind after init, cycle ${cycle}`, async (node) => {
      const before = await snapshot(node.host);
      await initNode(node);
      expect(diff(before, await snapshot(node.host)).length).toBeGreaterThan(100);
      expect(await reset(node)).toEqual(UNDONE);
      expect(diff(before, await snapshot(node.host))).toEqual([]);
      expect(await reset(node)).toEqual(NOTHING);
    });
  }

  step("asks first, and does nothing without an answer", async (node) => {
    const before = await snapshot(node.host);
    await killInit(node, { phase: "055-etcd-run" });
    const half = await snapshot(node.host);
    const plan = await node.nodelet(["reset", "--dry-run", "-o", "json"]);
    expect(plan).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(plan.stdout).plan).toContainEqual({ kind: "dir", key: "/etc/pf9/kube.d" });
    const asked = await node.nodelet(["reset"]);
    expect(asked).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("expected --yes"),
    });
    expect(diff(half, await snapshot(node.host)).filter((line) => !/etcd|nodelet\.lock/.test(line))).toEqual(
      [],
    );
    expect(await reset(node)).toEqual(UNDONE);
    expect(diff(before, await snapshot(node.host))).toEqual([]);
  });

  for (const phase of ["048-load-images", "080-kubelet-configure-start", "100-wait-for-k8s-services"]) {
    step(`leaves nothing behind after an init that was killed in ${phase}`, async (node) => {
      const before = await snapshot(node.host);
      await killInit(node, { phase });
      expect(await reset(node)).toEqual(UNDONE);
      expect(diff(before, await snapshot(node.host))).toEqual([]);
    });
  }

  step("works when Docker was stopped meanwhile", async (node) => {
    const before = await snapshot(node.host);
    await initNode(node);
    await node.sh("systemctl stop docker.socket docker.service");
    expect(await reset(node)).toEqual(UNDONE);
    expect(diff(before, await snapshot(node.host))).toEqual([]);
  });
});
