import { describe, expect, test } from "bun:test";
import type { Candidate } from "../../../src/join/admit.ts";
import { knownNodes, peersOf } from "../../../src/join/cluster-nodes.ts";
import { addressOf } from "../../../src/kube/node.ts";
import type { KubeObject } from "../../../src/kube/client.ts";
import { fakeClock } from "../../fake/clock.ts";
import { world } from "../../fake/ctx.ts";

const NOW = 1_800_000_000_000;
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/w1";
const candidate: Candidate = { name: "w1", ip: "10.0.0.6", machineId: "new", key: "k", from: "10.0.0.6" };

function node(
  name: string,
  ip: string,
  more: { ready?: boolean; labels?: Record<string, string>; kubeletPort?: number } = {},
): KubeObject {
  return {
    metadata: { name, labels: more.labels ?? {} },
    spec: { podCIDR: "10.20.3.0/24" },
    status: {
      addresses: [
        { type: "Hostname", address: name },
        { type: "InternalIP", address: ip },
      ],
      conditions: [{ type: "Ready", status: more.ready === false ? "Unknown" : "True" }],
      nodeInfo: { machineID: `${name}-id` },
      daemonEndpoints: { kubeletEndpoint: { Port: more.kubeletPort ?? 10_250 } },
    },
  };
}

const lease = (agoMs: number) => ({
  metadata: { name: "w1" },
  spec: { renewTime: new Date(NOW - agoMs).toISOString() },
});

async function look(one: KubeObject, change: { lease?: KubeObject; candidate?: Partial<Candidate> } = {}) {
  await using w = await world();
  w.kube.lists.set("/api/v1/nodes", [one]);
  if (change.lease) w.kube.objects.set(LEASE, change.lease);
  const [found] = await knownNodes(
    { ...w.ctx, clock: fakeClock(NOW) },
    { ...candidate, ...change.candidate },
  );
  return found;
}

test("a node is known by name, address, block, role and machine", async () => {
  const labels = { "node-role.kubernetes.io/control-plane": "" };
  expect(await look(node("m1", "10.0.0.5", { labels }))).toEqual({
    name: "m1",
    ip: "10.0.0.5",
    podCidr: "10.20.3.0/24",
    role: "master",
    machineId: "m1-id",
    down: false,
  });
});

describe("the node whose place is wanted", () => {
  const down = async (...call: Parameters<typeof look>) => (await look(...call))?.down;
  const same = node("w1", "10.0.0.6");

  test("lives while its kubelet renews its lease", async () => {
    expect(await down(same, { lease: lease(25_000) })).toBe(false);
  });

  test("is down when the lease is stale, and its address is that of the host that comes", async () => {
    expect(await down(same, { lease: lease(25_001) })).toBe(true);
  });

  test("lives while its kubelet answers, though somebody elsewhere says that its address is theirs", async () => {
    using kubelet = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const held = node("w1", "127.0.0.1", { kubeletPort: kubelet.port });
    const claim = { ip: "127.0.0.1", from: "10.0.0.66" };
    expect(await down(held, { lease: lease(60_000), candidate: claim })).toBe(false);
    expect(await down(held, { lease: lease(60_000), candidate: { ...claim, from: "127.0.0.1" } })).toBe(true);
  });

  test("is down when the lease is stale and nothing accepts connections at its address", async () => {
    expect(await down(node("w1", "127.9.9.9"), { lease: lease(60_000) })).toBe(true);
  });

  test("lives without a lease while it is Ready, and is down when it is not", async () => {
    expect(await down(same)).toBe(false);
    expect(await down(node("w1", "10.0.0.6", { ready: false }))).toBe(true);
  });

  test("is asked for by its address as well", async () => {
    expect(await down(same, { lease: lease(60_000), candidate: { name: "w2" } })).toBe(true);
  });

  test("is no other: one that stands in nobody's way is not called down", async () => {
    expect(await down(same, { lease: lease(60_000), candidate: { name: "w2", ip: "10.0.0.7" } })).toBe(false);
  });
});

test("peers are the nodes that have an address", async () => {
  await using w = await world();
  const without = { metadata: { name: "w2" }, status: {} };
  expect(addressOf(without)).toBeUndefined();
  expect(peersOf([node("w1", "10.0.0.6"), without], w.ctx)).toEqual([
    { name: "w1", ip: "10.0.0.6", podCidr: "10.20.3.0/24", master: false },
  ]);
});
