import { describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { followNodes } from "../../../src/daemon/nodes.ts";
import { readRemoval, wantedServices } from "../../../src/daemon/removed.ts";
import type { KubeObject } from "../../../src/kube/client.ts";
import type { KubeEvent } from "../../../src/kube/watch.ts";
import { paths } from "../../../src/paths.ts";
import { type Peer, peersText } from "../../../src/peers.ts";
import { world } from "../../fake/ctx.ts";

/** A node as the API has it. */
function node(name: string, more: { ip?: string; podCidr?: string; labels?: object; notes?: object } = {}) {
  return {
    metadata: { name, resourceVersion: "7", labels: { ...more.labels }, annotations: { ...more.notes } },
    spec: { ...(more.podCidr && { podCIDR: more.podCidr }) },
    status: {
      addresses: [
        { type: "Hostname", address: name },
        { type: "InternalIP", address: "fd00::1" },
        ...(more.ip ? [{ type: "InternalIP", address: more.ip }] : []),
      ],
    },
  } as KubeObject;
}

const master = { "node-role.kubernetes.io/master": "" };
const self = node("n1", { ip: "10.0.0.5", podCidr: "10.20.0.0/24", labels: master });
const w1 = node("w1", { ip: "10.0.0.6", podCidr: "10.20.1.0/24" });
const m2 = node("m2", { ip: "10.0.0.7", podCidr: "10.20.2.0/24", labels: master });
const W1 = { name: "w1", ip: "10.0.0.6", podCidr: "10.20.1.0/24", master: false };
const M2 = { name: "m2", ip: "10.0.0.7", podCidr: "10.20.2.0/24", master: true };

/** A daemon's watch on a fake API server, that ends with so many pauses between two attempts; and what etcd says, each time it is asked. */
async function setUp(lists: (KubeObject[] | "down" | "refused")[], voters: (Peer[] | undefined)[] = []) {
  const t = await world();
  await mkdir(t.root.place(paths.stateDir), { recursive: true });
  const told: string[] = [];
  const versions: string[] = [];
  const pauses: number[] = [];
  let changes = 0;
  let lasting = 0;
  t.kube.answer = (method, path) => {
    expect([method, path]).toEqual(["GET", "/api/v1/nodes"]);
    const items = lists.shift() ?? [];
    if (items === "down") throw new Error("nobody listens");
    if (items === "refused") return { status: 403, body: { metadata: { name: "" } } };
    return { status: 200, body: { metadata: { name: "", resourceVersion: "100" }, items } };
  };
  return {
    ...t,
    told,
    versions,
    pauses,
    changes: () => changes,
    /** The next watch tells this, and lasts for so long. */
    streams(events: KubeEvent[], { ms = 0, broken = false } = {}) {
      t.kube.streams.push(async function* ({ resourceVersion }) {
        versions.push(resourceVersion);
        yield* events;
        lasting += ms;
        if (broken) throw new Error("connection reset");
      });
    },
    async run() {
      const end = new AbortController();
      await followNodes({
        machine: t.machine,
        current: () => t.ctx,
        voters: async () => (voters.length > 1 ? voters.shift() : voters.length === 1 ? voters[0] : []),
        tell: (words) => void told.push(words),
        onChange: () => void changes++,
        clock: {
          ...t.clock,
          monotonic: () => lasting,
          async sleep(ms) {
            pauses.push(ms);
            if (lists.length === 0) end.abort();
          },
        },
        random: () => 0.5,
        signal: end.signal,
      });
    },
    peers: () => t.root.read(paths.peers),
  };
}

describe("followNodes()", () => {
  test("keeps the others as the API has them, and tells of it", async () => {
    await using t = await setUp([[self, w1, m2]]);
    await t.run();
    expect(await t.peers()).toBe(peersText([W1, M2]));
    expect(await t.root.mode(paths.peers)).toBe(0o600);
    expect(t.told).toEqual(["nodes of the cluster: new w1, m2"]);
    expect(t.changes()).toBe(1);
  });

  test("follows what comes, changes and goes", async () => {
    await using t = await setUp([[self, w1]]);
    t.streams([
      { type: "ADDED", object: m2 },
      { type: "MODIFIED", object: node("w1", { ip: "10.0.0.9" }) },
      { type: "MODIFIED", object: node("w1", { ip: "10.0.0.9" }) },
      { type: "DELETED", object: m2 },
    ]);
    await t.run();
    expect(t.told).toEqual([
      "nodes of the cluster: new w1",
      "nodes of the cluster: new m2",
      "nodes of the cluster: changed w1",
      "nodes of the cluster: gone m2",
    ]);
    expect(t.changes()).toBe(4);
    expect(await t.peers()).toBe(peersText([{ name: "w1", ip: "10.0.0.9", master: false }]));
  });

  test("a node without an address, and one with another family's alone, is left out", async () => {
    await using t = await setUp([[self, w1, node("w2"), node("w3", { podCidr: "10.20.3.0/24" })]]);
    await t.run();
    expect(await t.peers()).toBe(peersText([W1]));
  });

  test("a first master alone writes nothing", async () => {
    await using t = await setUp([[self], [self]]);
    await t.run();
    expect([await t.peers(), t.told, t.changes()]).toEqual([undefined, [], 0]);
  });

  test("the last of the others goes", async () => {
    await using t = await setUp([[self]]);
    await t.root.write(paths.peers, peersText([W1]));
    await t.run();
    expect(await t.peers()).toBe(peersText([]));
    expect(t.told).toEqual(["nodes of the cluster: gone w1"]);
  });

  test.each([[[]], ["down"], ["refused"]] as const)(
    "a list that is %j leaves the file as it was",
    async (list) => {
      await using t = await setUp([list as KubeObject[] | "down"]);
      await t.root.write(paths.peers, peersText([W1, M2]));
      await t.run();
      expect([await t.peers(), t.told, t.changes()]).toEqual([peersText([W1, M2]), [], 0]);
    },
  );

  test("a damaged file is written anew, and one that is right is left", async () => {
    await using t = await setUp([
      [self, w1],
      [self, w1],
    ]);
    await t.root.write(paths.peers, "{");
    await t.run();
    expect([await t.peers(), t.changes()]).toEqual([peersText([W1]), 1]);
  });

  test("goes on from where a watch has ended in time, and lists again after one that broke", async () => {
    await using t = await setUp([[self], [self, w1]]);
    t.streams([{ type: "ADDED", object: node("w2", { ip: "10.0.0.8" }) }], { ms: 30_000 });
    t.streams([], { ms: 30_000 });
    t.streams([], { broken: true });
    t.streams([{ type: "ERROR", object: { metadata: { name: "" }, code: 410 } }]);
    await t.run();
    expect(t.versions).toEqual(["100", "7", "7", "100"]);
    expect(await t.peers()).toBe(peersText([W1]));
  });

  test("asks again after pauses that grow, and begin anew once a server has told something", async () => {
    await using t = await setUp(["down", "down", "refused", "down", "down", [self], "down"]);
    t.streams([{ type: "ADDED", object: w1 }]);
    await t.run();
    expect(t.pauses).toEqual([1000, 2000, 4000, 5000, 5000, 500, 1000]);
  });
});

test("a look is asked for when the API is back: what was between may have taken routes with it", async () => {
  await using t = await setUp([[self], "down", "down", [self]]);
  t.streams([{ type: "ADDED", object: self }]);
  await t.run();
  expect([t.changes(), t.told]).toEqual([1, []]);
});

describe("a master whose Node is gone, or is none of a master any more", () => {
  const voter = { name: "m2", ip: "10.0.0.7", master: true };
  const worker = node("m2", { ip: "10.0.0.7", podCidr: "10.20.2.0/24" });

  test.each([
    ["deleted", { type: "DELETED", object: m2 }],
    ["without its label", { type: "MODIFIED", object: worker }],
  ] as const)("stays while it has a vote in etcd: %s", async (_what, event) => {
    await using t = await setUp([[self, m2]], [[voter]]);
    t.streams([event]);
    await t.run();
    expect(await t.peers()).toBe(peersText([M2]));
    expect(t.told).toEqual(["nodes of the cluster: new m2"]);
  });

  test.each([
    ["deleted", [self]],
    ["without its label", [self, worker]],
  ] as const)("stays as well when that was not seen happening: %s", async (_what, list) => {
    await using t = await setUp([list as unknown as KubeObject[]], [[voter]]);
    await t.root.write(paths.peers, peersText([M2]));
    await t.run();
    expect([await t.peers(), t.changes()]).toEqual([peersText([M2]), 0]);
  });

  test("stays while etcd does not answer", async () => {
    await using t = await setUp([[self, w1]], [undefined]);
    await t.root.write(paths.peers, peersText([W1, M2]));
    await t.run();
    expect(await t.peers()).toBe(peersText([W1, M2]));
  });

  test("goes with its vote, which no event tells of", async () => {
    await using t = await setUp([[self, m2]], [[voter], [voter], []]);
    t.streams([{ type: "DELETED", object: m2 }], { ms: 30_000 });
    t.streams([], { ms: 5_000 });
    await t.run();
    expect(await t.peers()).toBe(peersText([]));
    expect(t.told).toEqual(["nodes of the cluster: new m2", "nodes of the cluster: gone m2"]);
  });
});

describe("a node that is removed from its cluster", () => {
  const notes = { "nodelet.pf9.io/removed": "true", "nodelet.pf9.io/removed-by": "root on m2" };

  test("remembers it when its object is gone, and is to run nothing any more", async () => {
    await using t = await setUp([[self, w1]]);
    t.streams([
      { type: "MODIFIED", object: node("n1", { ip: "10.0.0.5", notes }) },
      { type: "DELETED", object: self },
    ]);
    await t.run();
    expect(t.told).toContain("removed from the cluster by root on m2; run nodelet reset");
    expect(readRemoval(t.machine)?.by).toBe("root on m2");
    expect(wantedServices(t.machine, t.ctx.config)).toBe("false");
    expect(wantedServices(t.machine, { ...t.ctx.config, kubeServiceState: "ignore" })).toBe("ignore");
  });

  test("is told of once", async () => {
    const own = node("n1", { notes: { "nodelet.pf9.io/removed": "true" } });
    await using t = await setUp([[own], [own]]);
    await t.run();
    expect(t.told).toEqual([
      "removed from the cluster by an administrator of the cluster; run nodelet reset",
    ]);
  });

  test.each([{}, { "nodelet.pf9.io/removed": "false" }])(
    "another annotation (%j) says nothing",
    async (other) => {
      await using t = await setUp([[node("n1", { notes: other })]]);
      await t.run();
      expect(wantedServices(t.machine, t.ctx.config)).toBe("true");
    },
  );

  test("a damaged file still says so", async () => {
    await using t = await setUp([]);
    await t.root.write(paths.removed, "{");
    expect(wantedServices(t.machine, t.ctx.config)).toBe("false");
  });
});
