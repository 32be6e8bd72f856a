import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { paths } from "../../../src/paths.ts";
import { peersText } from "../../../src/peers.ts";
import { boom, filePhase, nodeOf } from "./help.ts";

const W1 = { name: "w1", ip: "10.0.0.6", master: false };
const M2 = { name: "m2", ip: "10.0.0.7", master: true };

/** Two phases, of which the first depends on the other nodes. */
async function setUp(
  more: { config?: Record<string, unknown>; phases?: ReturnType<typeof filePhase>[] } = {},
) {
  const phases = [filePhase("060-a", { needs: [], followsPeers: true }), filePhase("090-b", { needs: [] })];
  const t = await nodeOf(more.phases ?? phases, more.config);
  await t.up();
  return { ...t, peers: (...list: (typeof W1)[]) => t.root.write(paths.peers, peersText(list)) };
}

describe("other nodes in the cluster", () => {
  test("are followed once, which is no attempt", async () => {
    await using t = await setUp();
    await using d = await t.start();
    expect(t.tasks).toEqual([]);
    await t.peers(W1);
    await d.turns(3);
    expect(t.tasks).toEqual([{ do: "follow" }]);
    await t.peers(W1, M2);
    await d.turns(3);
    expect(t.tasks).toEqual([{ do: "follow" }, { do: "follow" }]);
    expect(t.health()).toMatchObject({ pf9_kube_start_attempt: 0, pf9_kube_node_state: "ok" });
    expect(t.events()).toContain("following the nodes of the cluster");
  });

  test("are followed by a daemon that does not know what was before it", async () => {
    await using t = await setUp();
    await t.peers(W1);
    await using d = await t.start();
    await d.turns(2);
    expect(t.tasks).toEqual([{ do: "follow" }]);
  });

  test("are followed before what fails is judged, since it may fail for that alone", async () => {
    await using t = await setUp();
    await rm(t.root.place("/etc/060-a"));
    await t.peers(W1);
    await using d = await t.start();
    await d.turns(2);
    expect(t.tasks).toEqual([{ do: "follow" }]);
    expect(await t.root.read("/etc/060-a")).toBe("060-a");
  });

  test("a start of all phases follows them as well", async () => {
    await using t = await setUp();
    await rm(t.root.place("/etc/090-b"));
    await using d = await t.start();
    await t.peers(W1);
    t.fake.work = async (task, go) => {
      const result = await go();
      if (task.do === "start") await t.peers(W1, M2);
      return result;
    };
    await d.turns(3);
    // The peers of the start are those that it began with.
    expect(t.tasks).toEqual([{ do: "start" }, { do: "follow" }]);
  });

  test("that cannot be followed are an attempt to start, with pauses", async () => {
    await using t = await setUp();
    await using d = await t.start();
    await t.peers(W1);
    t.fake.work = boom;
    await d.turns(1);
    expect(t.tasks).toEqual([{ do: "follow" }]);
    await d.turns(1, 0);
    expect(t.tasks).toHaveLength(1);
    await d.turns(1, 90_000);
    expect(t.tasks).toEqual([{ do: "follow" }, { do: "start" }]);
    expect(t.events().join("\n")).toContain("failed after 0.0 s: no disk");
  });

  test("are followed again when somebody else was at work", async () => {
    await using t = await setUp();
    await using d = await t.start();
    await t.peers(W1);
    t.fake.work = async () => ({ outcome: "locked", changed: [], problem: "" });
    await d.turns(2);
    t.fake.work = (_, go) => go();
    await d.turns(3);
    expect(t.tasks.map((task) => task.do)).toEqual(["follow", "follow", "follow"]);
  });

  test.each(["false", "ignore"])(
    "are nothing to a node whose services are to be %s",
    async (kubeServiceState) => {
      await using t = await setUp({ config: { kubeServiceState } });
      await t.peers(W1);
      await using d = await t.start();
      await d.turns(2);
      expect(t.tasks.filter((task) => task.do === "follow")).toEqual([]);
    },
  );

  test("are nothing to a node without a phase that depends on them", async () => {
    await using t = await setUp({ phases: [filePhase("090-b", { needs: [] })] });
    await t.peers(W1);
    await using d = await t.start();
    await d.turns(2);
    expect(t.tasks).toEqual([]);
  });
});

describe("a node that was removed from its cluster", () => {
  test("stops all phases, and a daemon that comes later does not start them", async () => {
    await using t = await setUp();
    await t.root.write(paths.removed, JSON.stringify({ at: "2026-01-01T00:00:00Z", by: "root on m2" }));
    for (const _ of [1, 2]) {
      await using d = await t.start();
      await d.turns(2);
    }
    expect(t.tasks.map((task) => task.do)).toEqual(["stop", "stop"]);
    expect(await t.root.read("/etc/060-a")).toBeUndefined();
    expect(t.events().join("\n")).toContain("removed from the cluster by root on m2; run nodelet reset");
  });
});
