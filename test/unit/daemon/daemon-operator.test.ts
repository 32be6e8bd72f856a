import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { takeLock } from "../../../src/host/lock.ts";
import { paths } from "../../../src/paths.ts";
import { filePhase, nodeOf, trio } from "./help.ts";

describe("an operator's work", () => {
  test("is waited for: nothing is looked at or done while the lock is held", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await rm(t.root.place("/etc/055-b"));
    const lock = takeLock(t.root.place(paths.lock), "nodelet phases stop");
    await using d = await t.start();
    await d.turns(3);
    expect([t.tasks, t.health(), d.wake.sleeps]).toEqual([[], undefined, [250, 250, 250, 250]]);
    lock[Symbol.dispose]();
    await d.turns(1);
    expect(t.tasks).toHaveLength(1);
  });

  test("that began during a look is not judged", async () => {
    let lock: Disposable | undefined;
    const phases = trio();
    const slow = filePhase("055-b", {
      needs: ["020-a"],
      status: async () => {
        lock ??= takeLock(t.root.place(paths.lock), "nodelet phases stop");
        return { state: "stopped", message: "on its way down" };
      },
    });
    await using t = await nodeOf([phases[0]!, slow, phases[2]!]);
    await using d = await t.start();
    expect([t.tasks, t.events(), d.wake.sleeps]).toEqual([[], [], [250]]);
    lock?.[Symbol.dispose]();
  });

  test.each(["locked", "interrupted"] as const)("a task that is %s was no attempt", async (outcome) => {
    await using t = await nodeOf(trio());
    t.fake.work = async () => ({ outcome, changed: [], problem: "" });
    await using d = await t.start();
    await d.turns(3);
    expect(t.tasks.map((task) => task.do)).toEqual(["start", "start", "start", "start"]);
    expect(t.health()?.pf9_kube_start_attempt).toBe(0);
    expect(d.daemon.tasks).toEqual({ ok: 0, failed: 0 });
  });

  test("what is stopped by hand stays stopped, also over a new daemon, until it is started", async () => {
    await using t = await nodeOf(trio());
    await t.up();
    await t.hold("055-b");
    await t.ctx.host.ensure({ kind: "absent", path: "/etc/055-b" });
    await rm(t.root.place(paths.declared));
    for (const _ of [1, 2]) {
      await using d = await t.start();
      await d.turns(2, 60_000);
    }
    expect(t.tasks).toEqual([]);
    expect(t.health()).toMatchObject({
      pf9_kube_node_state: "ok",
      pf9_kube_service_state: "false",
      completed_tasks: ["Title of 020-a"],
    });
    await using d = await t.start();
    await rm(t.root.place("/etc/090-c"));
    await d.turns(2);
    expect(await t.root.read("/etc/090-c")).toBe("090-c");
    expect(await t.root.read("/etc/055-b")).toBeUndefined();
    await t.hold();
    await d.turns(2);
    expect(await t.root.read("/etc/055-b")).toBe("055-b");
  });
});
