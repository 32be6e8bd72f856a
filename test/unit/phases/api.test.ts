import { describe, expect, test } from "bun:test";
import { drainPods } from "../../../phases/210-drain-pods.ts";
import { labelTaintNode } from "../../../phases/110-label-taint-node.ts";
import { CORDONED, uncordonNode } from "../../../phases/130-uncordon-node.ts";
import { InterruptedError } from "../../../src/errors.ts";
import type { KubeObject } from "../../../src/kube/client.ts";
import { world, type World } from "../../fake/ctx.ts";

const NODE = "/api/v1/nodes/n1";
const PODS = "/api/v1/pods?fieldSelector=spec.nodeName=n1";
const quiet = () => {};

function addNode(w: World, more: Partial<KubeObject> = {}): void {
  w.kube.objects.set(NODE, { metadata: { name: "n1" }, spec: {}, ...more });
}

const pod = (name: string, more: Partial<KubeObject["metadata"]> = {}, phase = "Running"): KubeObject => ({
  metadata: { name, namespace: "default", ...more },
  status: { phase },
});

/** Evictions succeed, and the pod is gone. */
function evicting(w: World): void {
  w.kube.answer = (_, path) => {
    const name = path.split("/").at(-2) ?? "";
    w.kube.lists.set(
      PODS,
      (w.kube.lists.get(PODS) ?? []).filter(({ metadata }) => metadata.name !== name),
    );
    return { status: 201, body: { metadata: { name } } };
  };
}

const evicted = (w: World) =>
  w.kube.calls.filter((call) => call.endsWith("/eviction")).map((call) => call.split("/").at(-2));

describe("drain", () => {
  test("evicts what would be lost, and leaves what comes back or is done", async () => {
    await using w = await world();
    addNode(w);
    w.kube.lists.set(PODS, [
      pod("web"),
      pod("alone", { ownerReferences: [] }),
      pod("agent", { ownerReferences: [{ kind: "DaemonSet" }] }),
      pod("k8s-master-n1", { annotations: { "kubernetes.io/config.mirror": "x" } }),
      pod("job", {}, "Succeeded"),
      pod("crash", {}, "Failed"),
    ]);
    evicting(w);
    expect(await drainPods.stop(w.ctx, quiet)).toBe("changed");
    expect(evicted(w)).toEqual(["web", "alone"]);
    expect(w.kube.objects.get(NODE)).toMatchObject({
      metadata: { annotations: { [CORDONED]: "true" } },
      spec: { unschedulable: true },
    });
  });

  test("asks again while a budget forbids, not for pods that are going, and names who is left", async () => {
    await using w = await world();
    addNode(w);
    w.kube.lists.set(PODS, [pod("held"), pod("going", { deletionTimestamp: "now" })]);
    w.kube.answer = () => ({ status: 429, body: { metadata: { name: "" } } });
    await expect(drainPods.stop(w.ctx, quiet)).rejects.toThrow(
      "Cannot drain the node within 60 s: default/held, default/going not gone yet",
    );
    expect(new Set(evicted(w))).toEqual(new Set(["held"]));
  });

  test("takes a pod out of the cluster when nothing of it runs any more, not before", async () => {
    await using w = await world();
    addNode(w);
    const going = { deletionTimestamp: "now" };
    w.kube.lists.set(PODS, [
      pod("stopped", { ...going, uid: "u1" }),
      pod("running", { ...going, uid: "u2" }),
    ]);
    const container = (uid: string, type: string, running: boolean) => {
      const id = `${uid}-${type}`;
      const labels = { "io.kubernetes.pod.uid": uid, "io.kubernetes.docker.type": type };
      const rest = { imageId: "", status: "", exitCode: 0, pid: 0, startedAt: 0, finishedAt: 0 };
      w.machine.docker.containers.set(id, { id, name: id, running, labels, ...rest });
    };
    container("u1", "podsandbox", true);
    container("u1", "container", false);
    container("u2", "container", true);
    w.kube.answer = () => ({ status: 200, body: { metadata: { name: "" } } });
    await expect(drainPods.stop(w.ctx, quiet)).rejects.toThrow(
      "default/stopped, default/running not gone yet",
    );
    const deleted = w.kube.calls.filter((call) => call.startsWith("DELETE"));
    expect(new Set(deleted)).toEqual(new Set(["DELETE /api/v1/namespaces/default/pods/stopped"]));
  });

  test("a refusal is told", async () => {
    await using w = await world();
    addNode(w);
    w.kube.lists.set(PODS, [pod("web")]);
    w.kube.answer = () => ({ status: 403, body: { metadata: { name: "" }, message: "not you" } });
    await expect(drainPods.stop(w.ctx, quiet)).rejects.toThrow(
      'Cannot evict the pod "default/web": 403 not you',
    );
  });

  test("ends when the operator asks", async () => {
    await using w = await world();
    addNode(w);
    w.kube.lists.set(PODS, [pod("held")]);
    w.kube.answer = () => ({ status: 429, body: { metadata: { name: "" } } });
    w.clock.onSleep = () => w.abort();
    await expect(drainPods.stop(w.ctx, quiet)).rejects.toBeInstanceOf(InterruptedError);
  });

  test("without an API the pods stay where they are, and the log says so", async () => {
    await using w = await world();
    w.kube.up = false;
    expect(await drainPods.stop(w.ctx, quiet)).toBe("unchanged");
    expect(w.logged.join()).toContain("the API server does not answer");
  });

  test("a cordon of the operator outlives a stop and a start", async () => {
    await using w = await world();
    addNode(w, { spec: { unschedulable: true } });
    await drainPods.stop(w.ctx, quiet);
    await uncordonNode.start(w.ctx);
    expect(w.kube.objects.get(NODE)?.spec).toEqual({ unschedulable: true });
  });

  test("our own cordon goes with the next start", async () => {
    await using w = await world();
    addNode(w);
    await drainPods.stop(w.ctx, quiet);
    await drainPods.stop(w.ctx, quiet);
    expect(await uncordonNode.start(w.ctx)).toBe("changed");
    expect(w.kube.objects.get(NODE)?.spec).toEqual({});
    expect(await uncordonNode.start(w.ctx)).toBe("unchanged");
  });
});

describe("the node's object", () => {
  test("gets labels, taints and its block once", async () => {
    await using w = await world({ config: { nodeTaints: "a=b:NoSchedule", nodeLabels: "rack=7" } });
    addNode(w, { spec: { taints: [{ key: "theirs", effect: "NoExecute" }] } });
    expect(await labelTaintNode.start(w.ctx)).toBe("changed");
    expect(w.kube.objects.get(NODE)).toMatchObject({
      metadata: { labels: { rack: "7", "node-role.kubernetes.io/master": "" } },
      spec: {
        podCIDR: "10.20.0.0/24",
        taints: [
          { key: "theirs", effect: "NoExecute" },
          { key: "a", value: "b", effect: "NoSchedule" },
        ],
      },
    });
    const calls = w.kube.calls.length;
    expect(await labelTaintNode.start(w.ctx)).toBe("unchanged");
    expect(w.kube.calls.length).toBe(calls);
    expect(await labelTaintNode.status?.(w.ctx)).toEqual({ state: "running" });
  });

  test("is made where the kubelet has not registered yet", async () => {
    await using w = await world({ config: { nodeTaints: "a=b:NoSchedule" } });
    await labelTaintNode.start(w.ctx);
    expect(w.kube.calls[0]).toBe(`CREATE ${NODE}`);
    const { podCIDR, taints } = w.kube.objects.get(NODE)?.spec ?? {};
    expect(podCIDR).toBe("10.20.0.0/24");
    expect(taints).toContainEqual({ key: "a", value: "b", effect: "NoSchedule" });
    expect(await labelTaintNode.start(w.ctx)).toBe("unchanged");
  });

  test("keeps the block it has: another one is refused with the way out", async () => {
    await using w = await world();
    addNode(w, { spec: { podCIDR: "10.20.9.0/24" } });
    await expect(labelTaintNode.start(w.ctx)).rejects.toMatchObject({
      message: 'Cannot give the pod block 10.20.0.0/24 to "n1": it has 10.20.9.0/24 already',
      hint: "set --pod-cidr 10.20.9.0/24",
    });
  });

  test("in a dry run nobody is asked", async () => {
    await using w = await world();
    w.kube.up = false;
    for (const phase of [labelTaintNode, uncordonNode]) expect(await phase.start(w.dry)).toBe("unchanged");
  });

  test("readiness is waited for, with the node's own words", async () => {
    await using w = await world();
    const conditions = [{ type: "Ready", status: "False", message: "cni not initialized" }];
    addNode(w, { status: { conditions } });
    await expect(uncordonNode.ready?.(w.ctx, quiet)).rejects.toThrow(
      "Cannot bring the node to Ready within 120 s: the node is not ready: cni not initialized",
    );
    addNode(w, { status: { conditions: [{ type: "Ready", status: "True" }] } });
    await uncordonNode.ready?.(w.ctx, quiet);
    expect(await uncordonNode.status?.(w.ctx)).toEqual({ state: "running" });
  });
});
