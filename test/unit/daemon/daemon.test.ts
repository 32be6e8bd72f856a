import { describe, expect, test } from "bun:test";
import { chmod, rm } from "node:fs/promises";
import { paths } from "../../../src/paths.ts";
import { boom, filePhase, nodeOf, trio } from "./help.ts";

describe("a healthy node", () => {
  test("without a status file is taken as it is, and no task is done", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await using d = await t.start();
    await d.turns(3, 60_000);
    expect(t.tasks).toEqual([]);
    expect(d.wake.sleeps).toEqual([60_000, 60_000, 60_000, 60_000]);
    expect(t.health()).toMatchObject({
      pf9_kube_node_state: "ok",
      pf9_kube_service_state: "true",
      pf9_kube_start_attempt: 0,
      pf9_cluster_id: "c-1",
      pf9_cluster_role: "master",
      completed_tasks: ["Title of 020-a", "Title of 055-b", "Title of 090-c"],
    });
  });

  test.each(["", "{", "\0\0\0", '{"pf9_kube_start_attempt": "x"}'])(
    "with a broken status file (%p) is taken as it is",
    async (text) => {
      await using t = await nodeOf(trio());
      await t.up();
      await t.root.write(paths.kubeStatus, text);
      await using _ = await t.start();
      expect([t.tasks, t.health()?.pf9_kube_node_state]).toEqual([[], "ok"]);
    },
  );
});

describe("a phase that fails", () => {
  test("is started, and what is well is left alone", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await using d = await t.start();
    await rm(t.root.place("/etc/055-b"));
    await d.turns(2);
    expect(t.tasks).toEqual([{ do: "start" }]);
    expect(await t.root.read("/etc/055-b")).toBe("055-b");
    expect(t.health()).toMatchObject({
      pf9_kube_node_state: "ok",
      pf9_kube_start_attempt: 0,
      last_failed_status_check: "Title of 055-b",
    });
    expect(t.events().join("\n")).toContain("done after 0.0 s: changed 055-b");
  });

  test("and stays so is tried again with pauses, from it on, and all every tenth time", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    t.fake.work = boom;
    await rm(t.root.place("/etc/020-a"));
    await using d = await t.start();
    const states = [t.health()?.pf9_kube_node_state];
    for (let attempt = 2; attempt <= 12; attempt++) {
      await d.turns(1);
      expect(t.tasks).toHaveLength(attempt - 1);
      expect(d.wake.sleeps.at(-1)).toBe(Math.min(1000 * 2 ** (attempt - 2), 60_000));
      await d.turns(1, 90_000);
      states.push(t.health()?.pf9_kube_node_state);
    }
    expect(t.tasks.map((task): string => task.do)).toEqual([
      "start",
      ...Array.from({ length: 8 }, () => "restart"),
      "full",
      "restart",
      "restart",
    ]);
    expect(states).toEqual([
      "converging",
      ...Array.from({ length: 9 }, () => "retrying" as const),
      "failed",
      "failed",
    ]);
    expect(t.health()).toMatchObject({ pf9_kube_start_attempt: 12, pf9_kube_service_state: "false" });
    t.fake.work = (_, go) => go();
    await d.turns(2, 90_000);
    expect(t.health()).toMatchObject({ pf9_kube_start_attempt: 0, pf9_kube_node_state: "ok" });
  });

  test("is counted on by a daemon that comes after a killed one", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    t.fake.work = boom;
    await rm(t.root.place("/etc/020-a"));
    for (const attempt of [1, 2, 3]) {
      await using _ = await t.start();
      expect(t.health()?.pf9_kube_start_attempt).toBe(attempt);
    }
    expect(t.tasks.map((task) => task.do)).toEqual(["start", "restart", "restart"]);
  });

  test("within the tolerance is told, but changes nothing", async () => {
    await using t = await nodeOf(trio(), { statusThresholdSeconds: 30 });
    await t.up();
    await using d = await t.start();
    await rm(t.root.place("/etc/020-a"));
    await d.turns(1);
    await d.turns(1, 29_000);
    expect(t.tasks).toEqual([]);
    expect(t.health()).toMatchObject({
      pf9_kube_node_state: "ok",
      pf9_kube_service_state: "true",
      last_failed_status_check: "Title of 020-a",
    });
    await d.turns(1, 1000);
    expect(t.tasks).toHaveLength(1);
  });
});

describe("drift", () => {
  test("is put back, and told with what it was", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await using d = await t.start();
    await chmod(t.root.place("/etc/055-b"), 0o644);
    await d.turns(2);
    expect(t.tasks).toEqual([{ do: "start" }]);
    expect(await t.root.mode("/etc/055-b")).toBe(0o600);
    expect(t.events().join("\n")).toContain(
      "starting all phases, because changed by others: file /etc/055-b",
    );
    expect(t.health()?.pf9_kube_start_attempt).toBe(0);
  });

  test("that no phase puts back is told, left as it is, and put back again once it can be", async () => {
    const phases = trio();
    await using t = await nodeOf(phases);
    await t.up();
    await using d = await t.start();
    t.fake.work = async () => ({ outcome: "ok", changed: [], problem: "" });
    await chmod(t.root.place("/etc/055-b"), 0o644);
    await d.turns(5, 60_000);
    expect(t.tasks).toHaveLength(1);
    expect(t.events().filter((what) => what.startsWith("left as it is"))).toEqual([
      "left as it is, since no phase puts it back: file /etc/055-b",
    ]);
    await chmod(t.root.place("/etc/055-b"), 0o600);
    await d.turns(1);
    t.fake.work = (_, go) => go();
    await chmod(t.root.place("/etc/055-b"), 0o644);
    await d.turns(2);
    expect(await t.root.mode("/etc/055-b")).toBe(0o600);
  });

  test("that comes just as other drift was put back is not taken for what no phase puts back", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await using d = await t.start();
    t.fake.work = async (_, go) => {
      const result = await go();
      if (t.tasks.length === 1) await chmod(t.root.place("/etc/090-c"), 0o644);
      return result;
    };
    await chmod(t.root.place("/etc/055-b"), 0o644);
    await d.turns(3);
    expect(await t.root.mode("/etc/090-c")).toBe(0o600);
    expect(t.tasks).toHaveLength(2);
  });
});

describe("the daemon itself", () => {
  test("judges nothing that it saw while it was told to end", async () => {
    const { promise: looked, resolve: looking } = Promise.withResolvers<void>();
    const held = filePhase("020-a", {
      needs: [],
      status: (ctx) => {
        looking();
        return new Promise((_, reject) => {
          ctx.signal.addEventListener("abort", () => reject(new Error("cancelled")));
        });
      },
    });
    await using t = await nodeOf([held]);
    const ending = t.start();
    await looked;
    t.abort();
    t.fake.end?.();
    await using _ = await ending;
    expect([t.tasks, t.events()]).toEqual([[], []]);
  });

  test("goes on after a task that throws, and after a place of its own that is broken", async () => {
    await using t = await nodeOf(trio());
    await rm(t.root.place("/var/opt/pf9"), { recursive: true });
    t.fake.work = () => Promise.reject(new Error("no process"));
    await using d = await t.start();
    expect(t.tasks).toHaveLength(1);
    t.fake.work = (_, go) => go();
    await t.root.write(`${paths.stateDir}/x`, "");
    await d.turns(2, 90_000);
    expect(t.health()?.pf9_kube_node_state).toBe("ok");
  });
});
