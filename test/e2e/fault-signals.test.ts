// Ctrl-C, SIGTERM, SIGKILL and power cuts in the middle of init, stop and reset: what was begun is finished or told, and the
// next run completes it.
import { describe, expect } from "bun:test";
import {
  caDigest,
  expectCleanReset,
  expectHealthy,
  expectUnchanged,
  type Moment,
  type Signalled,
  settleKernel,
  signalAt,
} from "../lab/faults.ts";
import { initNode, BUNDLE, story, type TestNode } from "../lab/harness.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";

const ASKED = "\nInterrupted: ending at the next safe point; again to end at once\n";
/** Nothing but lines of phases that ended. */
const ENDED_BESIDE = /^(\n\[ ?\d+\/\d+\] \d{3}-[^\n]+: (done|unchanged), [^\n]+)*$/;
const LOG = "/var/log/pf9/kube/kube.log";
const begin = (phase: string, verb = "start") => ({ logged: `phase ${phase} ${verb}: begin` });

const init = (
  node: TestNode,
  how: { moment: Moment; signal: string; then?: string; target: "process" | "group" },
) => signalAt(node, { args: ["init", "--bundle", BUNDLE], ...how });

/** It says that it was interrupted, names what it did not do and the way on, and no step is left open. */
function expectInterrupted(done: Signalled): void {
  expect(done).toMatchObject({ exitCode: 130, stdout: "", open: [] });
  expect(done.stderr).toContain(ASKED);
  expect(done.stderr).toMatch(
    /\nerror: Interrupted: did not [^\n]+\n {2}run the same command again to go on\n?$/,
  );
}

describe("init that is interrupted", () => {
  let before: Snapshot;
  const { step } = story({ name: "e2e-fault-int", ip: "10.88.0.155" }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
  });

  const moments: { name: string; moment: Moment; signal: string; target: "process" | "group" }[] = [
    {
      name: "Ctrl-C while certificates are made",
      moment: { when: begin("020-gen-certs"), plusMs: 200 },
      signal: "INT",
      target: "group",
    },
    {
      name: "Ctrl-C while systemctl restarts Docker",
      moment: { when: begin("045-docker-start"), plusMs: 100 },
      signal: "INT",
      target: "group",
    },
    {
      name: "SIGTERM while images are loaded",
      moment: { when: begin("048-load-images"), plusMs: 300 },
      signal: "TERM",
      target: "process",
    },
    {
      name: "Ctrl-C while the control plane is waited for",
      moment: { when: begin("100-wait-for-k8s-services"), plusMs: 1000 },
      signal: "INT",
      target: "group",
    },
    {
      name: "SIGTERM while the cluster is asked",
      moment: { when: begin("110-label-taint-node") },
      signal: "TERM",
      target: "process",
    },
  ];
  for (const { name, moment, signal, target } of moments) {
    step(`ends with 130, no step half done, and is completed by the next run: ${name}`, async (node) => {
      expectInterrupted(await init(node, { moment, signal, target }));
      await initNode(node);
      await expectHealthy(node);
      await expectCleanReset(node, before);
    });
  }

  step("ends at once at the second Ctrl-C", async (node) => {
    const moment = { when: begin("048-load-images"), plusMs: 200 };
    const done = await init(node, { moment, signal: "INT", then: "INT", target: "group" });
    expect(done).toMatchObject({ exitCode: 130, stdout: "" });
    // Phases beside it may end between the two signals.
    const [first, after, ...more] = done.stderr.split(ASKED.trimEnd());
    expect([first, after, more]).toEqual([expect.any(String), expect.stringMatching(ENDED_BESIDE), []]);
    expect(done.open).toContain("048-load-images");
    await expectCleanReset(node, before);
  });
});

describe("a run that is killed", () => {
  let before: Snapshot;
  const { step } = story({ name: "e2e-fault-stop", ip: "10.88.0.156" }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
  });

  step("in the middle of phases stop is completed by the next stop", async (node) => {
    await initNode(node);
    const moments = [
      begin("080-kubelet-configure-start", "stop"),
      begin("055-etcd-run", "stop"),
      // In the last phase, 020: the first of its files is gone.
      { true: "[ ! -e /etc/pf9/kube.d/certs/apiserver.crt ]" },
    ];
    for (const when of moments) {
      const killed = await signalAt(node, { args: ["phases", "stop"], moment: { when }, signal: "KILL" });
      expect(killed).toMatchObject({ exitCode: 137, stdout: "" });
    }
    const stopped = await node.nodelet(["phases", "stop"]);
    expect(stopped).toMatchObject({ exitCode: 0 });
    expect(await node.sh("docker ps --format '{{.Names}}'")).toBe("");
    const started = await node.nodelet(["phases", "start"]);
    expect(started).toMatchObject({ exitCode: 0 });
    await expectHealthy(node);
  });

  // From the first thing that is undone to the last.
  const gone = [
    "! docker inspect proxy >/dev/null 2>&1",
    "[ ! -e /etc/systemd/system/pf9-kubelet.service ]",
    "[ ! -e /opt/pf9/bin/kubectl ]",
    "! grep -q live-restore /etc/docker/daemon.json",
    "[ ! -e /var/opt/pf9/nodelet/cluster.json ]",
  ];
  step("in the middle of reset is completed by the next reset", async (node) => {
    for (const condition of gone) {
      const killed = await signalAt(node, {
        args: ["reset", "--yes"],
        moment: { when: { true: condition } },
        signal: "KILL",
      });
      expect([condition, killed.stdout]).toEqual([condition, ""]);
      expect(killed.exitCode).toBe(137);
    }
    await expectCleanReset(node, before);
  });

  for (const [phase, pause] of [
    ["048-load-images", 0.5],
    ["100-wait-for-k8s-services", 2],
  ] as const) {
    step(`by a power cut in ${phase} is completed by the next init, with the same CA`, async (node) => {
      const running = await node.spawnNodelet(["init", "--bundle", BUNDLE]);
      await node.sh(
        `timeout 60 bash -c 'until grep -qs "phase ${phase} start: begin" ${LOG}; do sleep 0.01; done; sleep ${pause}'`,
      );
      await node.host.kill();
      expect(await running.exited).toBe(137);
      await node.host.start();
      await settleKernel(node);
      const ca = await caDigest(node);
      await initNode(node);
      await expectHealthy(node);
      expect(await caDigest(node)).toBe(ca);
      expect(await node.nodelet(["reset", "--yes"])).toMatchObject({ exitCode: 0, stderr: "" });
    });
  }

  step("leaves nothing behind after all that", async (node) => {
    expect(await node.nodelet(["reset", "--yes"])).toEqual({
      exitCode: 0,
      stdout: "Nothing to undo: this host is not a node.\n",
      stderr: "",
    });
    await expectUnchanged(node, before);
  });
});
