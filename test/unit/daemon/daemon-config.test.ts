import { describe, expect, test } from "bun:test";
import { chmod, rm } from "node:fs/promises";
import { boom, filePhase, nodeOf, trio } from "./help.ts";

describe("the configuration", () => {
  test("that changed is brought about once", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await using d = await t.start();
    t.flags["mtu"] = 1450;
    await t.configure("new");
    await d.turns(4);
    expect(t.tasks).toEqual([{ do: "start" }]);
    expect(t.events().join("\n")).toContain("starting all phases, because the configuration is new");
  });

  test("that is not valid is told in the document; the node is kept as it was, and healed", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await using d = await t.start();
    t.fake.problem = "mtu: none";
    await t.configure("bad");
    await rm(t.root.place("/etc/055-b"));
    await d.turns(2);
    expect(await t.root.read("/etc/055-b")).toBe("055-b");
    expect(t.health()).toMatchObject({
      last_failed_task: "Read the configuration: mtu: none",
      pf9_kube_node_state: "ok",
    });
    t.fake.problem = "";
    await t.configure("good again");
    await d.turns(1);
    expect(t.health()?.last_failed_task).toBe("");
    expect(t.events()).toContain("configuration is valid again");
  });

  test("that was never valid is asked for again soon", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    t.fake.problem = "there is no default route";
    await using d = await t.start();
    expect(t.health()?.pf9_kube_node_state).toBe("failed");
    expect(d.wake.sleeps.at(-1)).toBeLessThanOrEqual(10_000);
    t.fake.problem = "";
    await d.turns(1);
    expect(t.health()?.pf9_kube_node_state).toBe("ok");
  });

  test("ignore: whatever happens, nothing is done", async () => {
    await using t = await nodeOf(trio(), { kubeServiceState: "ignore" });
    await t.up();
    await rm(t.root.place("/etc/055-b"));
    await using d = await t.start();
    await d.turns(3, 60_000);
    expect(t.tasks).toEqual([]);
    expect(t.health()).toMatchObject({
      pf9_kube_service_state: "false",
      last_failed_status_check: "Title of 055-b",
    });
  });

  test("false: everything is stopped once, and again when something comes back", async () => {
    await using t = await nodeOf(trio(), { kubeServiceState: "false" });
    await t.up();
    await using d = await t.start();
    await d.turns(3, 60_000);
    expect(t.tasks).toEqual([{ do: "stop" }]);
    expect(t.health()).toMatchObject({
      pf9_kube_node_state: "ok",
      pf9_kube_service_state: "false",
      completed_tasks: [],
      last_failed_status_check: "",
    });
    await t.root.write("/etc/055-b", "back");
    await d.turns(2);
    expect(t.tasks).toHaveLength(2);
    expect(await t.root.read("/etc/055-b")).toBeUndefined();
    t.flags["kubeServiceState"] = "true";
    await t.configure("run");
    await d.turns(2);
    expect(await t.root.read("/etc/055-b")).toBe("055-b");
  });

  test("false: drift that a stop does not put back does not stop the node for ever", async () => {
    const keep = filePhase("010-kept", { needs: [], stop: async () => "unchanged" });
    await using t = await nodeOf([keep, ...trio()], { kubeServiceState: "false" });
    await t.up();
    await using d = await t.start();
    await chmod(t.root.place("/etc/010-kept"), 0o644);
    await d.turns(6, 60_000);
    expect(t.tasks.length).toBeLessThanOrEqual(2);
    t.flags["kubeServiceState"] = "true";
    await t.configure("run");
    await d.turns(3);
    expect(await t.root.mode("/etc/010-kept")).toBe(0o600);
  });

  test("false: a stop that fails is tried again after a pause, and the node is not called stopped", async () => {
    await using t = await nodeOf(trio(), { kubeServiceState: "false" });
    await t.up();
    t.fake.work = boom;
    await using d = await t.start();
    await d.turns(1);
    expect(t.health()?.pf9_kube_node_state).toBe("converging");
    expect(d.wake.sleeps.at(-1)).toBe(1000);
    await d.turns(1, 1000);
    expect(t.tasks).toEqual([{ do: "stop" }, { do: "stop" }]);
  });
});
