import { describe, expect, test } from "bun:test";
import { lookAtDeparture, removeNode } from "../../../src/cli/node-remove-steps.ts";
import type { KubeObject } from "../../../src/kube/client.ts";
import { joining, type Joining } from "../etcd/help.ts";

const JOIN_STATE = "/api/v1/namespaces/kube-system/secrets/nodelet-join";

/** A node as the API has it. */
const nodeOf = (name: string, { ip, ready }: { ip: string; ready: boolean }): KubeObject => ({
  metadata: { name },
  spec: {},
  status: {
    addresses: [{ type: "InternalIP", address: ip }],
    conditions: [{ type: "Ready", status: ready ? "True" : "Unknown" }],
    daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
  },
});

/** A cluster of m1 (this one), m2, m3 and the worker w1, seen from m1; all live but those named. */
interface Cluster extends Joining {
  /** Names of nodes whose kubelet runs. */
  kubelets: Set<string>;
  /** Takes a node out, and tells what was said. */
  remove(name: string, options?: { force?: boolean }): ReturnType<typeof removeNode>;
}

const IPS: Record<string, string> = {
  m1: "10.0.0.11",
  m2: "10.0.0.12",
  m3: "10.0.0.13",
  w1: "10.0.0.21",
};

async function cluster({ down = [] }: { down?: string[] } = {}): Promise<Cluster> {
  const j = await joining(["m1", "m2", "m3"]);
  const { kube } = j.w;
  const ctx = { ...j.ctx, node: { ...j.ctx.node, name: "m1", ip: "10.0.0.11" } };
  const kubelets = new Set(Object.keys(IPS).filter((name) => !down.includes(name)));
  for (const member of j.etcd.members) member.up = !down.includes(member.name);
  const nodes = Object.entries(IPS).map(([name, ip]) => nodeOf(name, { ip, ready: kubelets.has(name) }));
  for (const node of nodes) kube.objects.set(`/api/v1/nodes/${node.metadata.name}`, node);
  kube.lists.set("/api/v1/nodes", nodes);
  kube.answer = (method, path) => {
    if (method === "DELETE") {
      kube.objects.delete(path);
      const left = nodes.filter(({ metadata }) => kube.objects.has(`/api/v1/nodes/${metadata.name}`));
      kube.lists.set("/api/v1/nodes", left);
    }
    return { status: 200, body: { metadata: { name: "" } } };
  };
  const accepts = async ({ host }: { host: string }) =>
    Object.entries(IPS).some(([name, ip]) => ip === host && kubelets.has(name));
  return {
    ...j,
    ctx,
    kubelets,
    async remove(name, { force = false } = {}) {
      const departure = {
        ctx,
        name,
        force,
        accepts,
        etcd: j.etcd.client(),
        say: (line: string) => void j.said.push(line),
      };
      return await removeNode(departure, await lookAtDeparture(departure));
    },
  };
}

/** Nodes whose object is there. */
const nodesOf = ({ w }: Cluster) =>
  [...w.kube.objects.keys()].flatMap((path) => /^\/api\/v1\/nodes\/(.+)$/.exec(path)?.[1] ?? []).sort();

const membersOf = ({ etcd }: Cluster) => etcd.members.map(({ name }) => name);

describe("a node that lives", () => {
  test("is cordoned, told to stop, and goes when its kubelet has stopped", async () => {
    await using c = await cluster();
    c.w.clock.onSleep = (count) => {
      if (count < 5) return;
      const { metadata, spec } = c.w.kube.objects.get("/api/v1/nodes/w1") ?? { metadata: { name: "" } };
      if (metadata.annotations?.["nodelet.pf9.io/removed"] === "true" && spec?.unschedulable)
        c.kubelets.delete("w1");
    };
    expect(await c.remove("w1")).toEqual({ node: true, member: false, drained: true });
    expect(c.said).toContain('the kubelet of "w1" still runs');
    expect(nodesOf(c)).toEqual(["m1", "m2", "m3"]);
    expect(membersOf(c)).toEqual(["m1", "m2", "m3"]);
  });

  test("as a master is given time to leave etcd by itself", async () => {
    await using c = await cluster();
    c.w.clock.onSleep = (count) => {
      if (count === 5) c.etcd.members.splice(1, 1);
      if (count === 8) c.kubelets.delete("m2");
    };
    expect(await c.remove("m2")).toEqual({ node: true, member: true, drained: true });
    expect(c.etcd.calls).toEqual([]);
    expect(membersOf(c)).toEqual(["m1", "m3"]);
    expect(nodesOf(c)).toEqual(["m1", "m3", "w1"]);
  });

  test("as a master that does not leave is helped", async () => {
    await using c = await cluster();
    c.w.clock.onSleep = () => {
      if (c.etcd.calls.includes("remove 2")) c.kubelets.delete("m2");
    };
    await c.remove("m2");
    expect(c.etcd.calls).toEqual(["remove 2"]);
    expect(nodesOf(c)).toEqual(["m1", "m3", "w1"]);
  });

  test("stays when its kubelet does not stop, unless by force", async () => {
    await using c = await cluster();
    const error = await c.remove("w1").catch((thrown) => thrown);
    expect(error.message).toBe('Cannot stop the node "w1" within 180 s: the kubelet of "w1" still runs');
    expect(error.hint).toBe("run nodelet reset on it and this command again; --force goes on without");
    expect(nodesOf(c)).toContain("w1");
    expect(await c.remove("w1", { force: true })).toEqual({ node: true, member: false, drained: false });
    expect(nodesOf(c)).not.toContain("w1");
  });
});

describe("a node that is down", () => {
  test("goes with its member and its pods, without a drain", async () => {
    await using c = await cluster({ down: ["m3"] });
    const pod = { metadata: { name: "web", namespace: "default", uid: "u1" } };
    c.w.kube.lists.set("/api/v1/pods?fieldSelector=spec.nodeName=m3", [pod]);
    expect(await c.remove("m3")).toEqual({ node: true, member: true, drained: false });
    expect(c.w.kube.calls).toContain("DELETE /api/v1/namespaces/default/pods/web");
    expect(membersOf(c)).toEqual(["m1", "m2"]);
    expect(nodesOf(c)).toEqual(["m1", "m2", "w1"]);
  });

  test("just now is known to be down when the API notices, and is not drained", async () => {
    await using c = await cluster({ down: ["m3"] });
    const path = "/api/v1/nodes/m3";
    const ready = (yes: boolean) => {
      c.w.kube.objects.set(path, nodeOf("m3", { ip: "10.0.0.13", ready: yes }));
      return true;
    };
    ready(true);
    let noticed = false;
    c.w.clock.onSleep = () => {
      noticed ||= c.w.clock.now() > 40_000 && ready(false);
    };
    expect(await c.remove("m3")).toEqual({ node: true, member: true, drained: false });
    expect(c.said[0]).toBe('the kubelet of "m3" does not answer, and the API has not noticed');
  });

  test("for this master alone is drained all the same", async () => {
    await using c = await cluster({ down: ["w1"] });
    c.w.kube.objects.set("/api/v1/nodes/w1", nodeOf("w1", { ip: "10.0.0.21", ready: true }));
    expect(await c.remove("w1")).toEqual({ node: true, member: false, drained: true });
  });

  test("whose join was cut off before its member got a name goes with that member", async () => {
    await using c = await cluster({ down: ["w1"] });
    const learner = {
      name: "",
      peerUrls: ["https://10.0.0.21:2380"],
      clientUrls: [],
      learner: true,
      up: false,
    };
    Object.assign(c.etcd.voter("w1", "10.0.0.21"), learner);
    expect(await c.remove("w1")).toEqual({ node: true, member: true, drained: false });
    expect(membersOf(c)).toEqual(["m1", "m2", "m3"]);
  });

  test("of which only the member is left goes out of etcd", async () => {
    await using c = await cluster({ down: ["m3"] });
    c.w.kube.lists.set("/api/v1/nodes", []);
    c.w.kube.objects.clear();
    expect(await c.remove("m3")).toEqual({ node: false, member: true, drained: false });
    expect(membersOf(c)).toEqual(["m1", "m2"]);
  });
});

test("a host that was admitted and never came further is forgotten", async () => {
  await using c = await cluster();
  const node = { name: "w9", ip: "10.0.0.99", key: "k", machineId: "m", token: "t", podCidr: "", joined: 0 };
  const state = { tokens: [], nodes: [{ ...node, role: "worker" }], removed: [] };
  const data = { state: btoa(JSON.stringify(state)) };
  c.w.kube.objects.set(JOIN_STATE, { metadata: { name: "nodelet-join" }, data });
  expect(await c.remove("w9")).toEqual({ node: false, member: false, drained: false });
  expect(c.w.kube.calls).toContain(`PUT ${JOIN_STATE}`);
});

test("a removal that is killed at any moment is completed by the next one", async () => {
  let moment = 0;
  const killed = new Error("killed");
  for (let died = true; died; moment++) {
    await using c = await cluster({ down: ["m3"] });
    let count = 0;
    const tick = () => {
      if (++count > moment) throw killed;
    };
    const { kube } = c.w;
    const { answer } = kube;
    kube.answer = (...asked) => {
      tick();
      return answer?.(...asked) ?? { status: 404, body: { metadata: { name: "" } } };
    };
    const { patch } = kube;
    kube.patch = async (...args) => {
      tick();
      return await patch(...args);
    };
    c.etcd.before = tick;
    died = await c.remove("m3").then(
      () => false,
      (error) => {
        expect(error).toBe(killed);
        return true;
      },
    );
    count = -Infinity;
    // What is complete is not there any more, and that is told.
    const again = await c.remove("m3").catch((error) => error.message);
    const gone = 'Cannot remove the node "m3": there is none of that name; the nodes are m1, m2, w1';
    if (again !== gone) expect(again).toMatchObject({ drained: false });
    expect([moment, membersOf(c), nodesOf(c)]).toEqual([moment, ["m1", "m2"], ["m1", "m2", "w1"]]);
  }
  expect(moment).toBeGreaterThan(4);
});

describe("refused, and nothing is changed", () => {
  test.each([
    [
      "an unknown node",
      { name: "m7", down: [] as string[] },
      'Cannot remove the node "m7": there is none of that name; the nodes are m1, m2, m3, w1',
    ],
    [
      "the node that it runs on",
      { name: "m1", down: [] },
      'Cannot remove the node "m1": it is the one that this runs on',
    ],
    [
      "a master without which there is no majority",
      { name: "m2", down: ["m3"] },
      'Cannot remove the etcd member "m2": after it 2 voters, of which 1 is well: no quorum',
    ],
    [
      "any master when there is no majority now",
      { name: "m3", down: ["m2", "m3"] },
      "No etcd member answers with a majority behind it",
    ],
  ])("%s", async (_, { name, down }, message) => {
    await using c = await cluster({ down });
    const error = await c.remove(name, { force: true }).catch((thrown) => thrown);
    expect(error.message).toBe(message);
    expect([c.etcd.calls, c.w.kube.calls]).toEqual([[], []]);
  });

  test("the last master", async () => {
    await using c = await cluster();
    c.etcd.members.splice(1);
    const error = await c.remove("m1").catch((thrown) => thrown);
    expect([error.message, error.hint]).toEqual([
      'Cannot remove the node "m1": it is the last master',
      "nodelet reset ends the cluster",
    ]);
  });
});
