import { describe, expect, test } from "bun:test";
import { registerNode } from "../../../src/join/register.ts";
import type { NodeRecord } from "../../../src/join/state.ts";
import { world } from "../../fake/ctx.ts";
import { refused } from "./help.ts";

const record: NodeRecord = {
  name: "w1",
  ip: "10.0.0.6",
  role: "worker",
  podCidr: "10.20.1.0/24",
  machineId: "",
  key: "",
  token: "",
  joined: 0,
};
const NODE = "/api/v1/nodes/w1";
const plain = { ip: "10.0.0.6", labels: {}, taints: [] };
const dedicated = { key: "dedicated", value: "db", effect: "NoSchedule" };

test("a worker's Node has its role, labels, taints, address and block", async () => {
  await using w = await world();
  await registerNode(w.ctx, { record, wanted: { ...plain, labels: { disk: "ssd" }, taints: [dedicated] } });
  expect(w.kube.objects.get(NODE)).toMatchObject({
    metadata: {
      labels: { "kubernetes.io/hostname": "w1", "node-role.kubernetes.io/worker": "", disk: "ssd" },
    },
    spec: { podCIDR: "10.20.1.0/24", podCIDRs: ["10.20.1.0/24"], taints: [dedicated] },
    status: { addresses: [{ type: "InternalIP", address: "10.0.0.6" }] },
  });
});

test("what it is comes from its record, not from what it says", async () => {
  await using w = await world();
  await registerNode(w.ctx, { record, wanted: { ...plain, ip: "10.0.0.5" } });
  expect(w.kube.objects.get(NODE)?.status.addresses).toEqual([{ type: "InternalIP", address: "10.0.0.6" }]);
});

test("a Node that is there keeps its block and what others gave it", async () => {
  await using w = await world();
  w.kube.objects.set(NODE, {
    metadata: { name: "w1", labels: { mine: "yes" } },
    spec: { podCIDR: "10.20.9.0/24", taints: [{ key: "theirs", effect: "NoExecute" }] },
  });
  await registerNode(w.ctx, { record, wanted: { ...plain, taints: [dedicated] } });
  expect(w.kube.objects.get(NODE)).toMatchObject({
    metadata: { labels: { mine: "yes", "node-role.kubernetes.io/worker": "" } },
    spec: { podCIDR: "10.20.9.0/24", taints: [{ key: "theirs", effect: "NoExecute" }, dedicated] },
  });
});

test("again it is the same", async () => {
  await using w = await world();
  const wanted = { ...plain, labels: { disk: "ssd" }, taints: [dedicated] };
  const spec = async () => {
    await registerNode(w.ctx, { record, wanted });
    const node = w.kube.objects.get(NODE);
    return { labels: node?.metadata.labels, spec: node?.spec };
  };
  expect(await spec()).toEqual(await spec());
});

describe("a label that a node may not give itself", () => {
  test.each([
    "node-role.kubernetes.io/master",
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/",
    "node-restriction.kubernetes.io/trusted",
    "team.node-restriction.kubernetes.io/trusted",
  ])("%s: nothing is made or changed", async (label) => {
    await using w = await world();
    const error = await refused(
      registerNode(w.ctx, { record, wanted: { ...plain, labels: { ok: "1", [label]: "" } } }),
    );
    expect({ code: error.code, message: error.message, hint: error.hint }).toEqual({
      code: "BadRequest",
      message: `A node may not give itself the label ${label}`,
      hint: "take it out of nodeLabels; an administrator may set it: kubectl label node",
    });
    expect([w.kube.calls, w.kube.objects.size]).toEqual([[], 0]);
  });

  test.each(["node-restriction.example.com/x", "my-node-role.kubernetes.io/x", "disk"])(
    "is not %s",
    async (label) => {
      await using w = await world();
      await registerNode(w.ctx, { record, wanted: { ...plain, labels: { [label]: "" } } });
      expect(w.kube.objects.get(NODE)?.metadata.labels).toHaveProperty([label], "");
    },
  );
});
