import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { paths } from "../../../src/paths.ts";
import { nodeOf, trio } from "./help.ts";

describe("an operator's work", () => {
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
