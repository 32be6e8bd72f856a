import { describe, expect, test } from "bun:test";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { readEvents } from "../../../src/daemon/events.ts";
import { readHealth } from "../../../src/daemon/health.ts";
import { Report } from "../../../src/daemon/report.ts";
import { paths } from "../../../src/paths.ts";
import { fakeClock } from "../../fake/clock.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";
import { phase } from "../runner/help.ts";

const MINUTE = 60_000;

/** A report on a root of its own, with a wall clock that can be set. */
async function setUp() {
  const root = await tmpRoot();
  await mkdir(root.place(paths.stateDir), { recursive: true });
  const machine = fakeMachine(root.path);
  const wall = { now: 1_700_000_000_000 };
  const infos: string[] = [];
  const warnings: string[] = [];
  const log = {
    info: (text: string) => void infos.push(text),
    warn: (text: string) => void warnings.push(text),
  };
  const make = () => new Report(machine, { log, clock: { ...fakeClock(), now: () => wall.now } });
  return {
    root,
    wall,
    infos,
    warnings,
    make,
    report: make(),
    written: () => readHealth(root.place(paths.kubeStatus)),
    events: () => readEvents(root.place(paths.events)),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

test("what a daemon was doing that was killed is not told by the next one", async () => {
  await using t = await setUp();
  t.report.set({
    current_task: "Start etcd",
    current_status_check: "Start Docker",
    pf9_kube_start_attempt: 3,
  });
  await t.report.write();
  expect(t.make().health).toMatchObject({
    current_task: "",
    current_status_check: "",
    pf9_kube_start_attempt: 3,
  });
});

describe("the last failed check", () => {
  test("is named with its time, and cleared ten minutes after it is good again, not earlier", async () => {
    await using t = await setUp();
    t.report.checked("Start etcd", 0);
    expect(t.report.health).toMatchObject({
      last_failed_status_check: "Start etcd",
      last_failed_status_time: 1_700_000_000,
    });
    t.report.checked(undefined, 5 * MINUTE);
    t.report.checked(undefined, 15 * MINUTE - 1);
    expect(t.report.health.last_failed_status_check).toBe("Start etcd");
    t.report.checked(undefined, 15 * MINUTE);
    expect(t.report.health).toMatchObject({ last_failed_status_check: "", last_failed_status_time: 0 });
  });

  test("is remembered from its last failure on", async () => {
    await using t = await setUp();
    t.report.checked("Start etcd", 0);
    t.report.checked(undefined, MINUTE);
    t.report.checked("Start kubelet", 9 * MINUTE);
    t.report.checked(undefined, 10 * MINUTE);
    t.report.checked(undefined, 12 * MINUTE);
    expect(t.report.health.last_failed_status_check).toBe("Start kubelet");
    t.report.checked(undefined, 20 * MINUTE);
    expect(t.report.health.last_failed_status_check).toBe("");
  });

  test.each([
    ["two days on", 2 * 24 * 60 * MINUTE],
    ["one hour back", -60 * MINUTE],
  ])("is neither cleared nor kept longer by a wall clock that jumps %s", async (_, jump) => {
    await using t = await setUp();
    t.report.checked("Start etcd", 0);
    t.report.checked(undefined, MINUTE);
    t.wall.now += jump;
    t.report.checked(undefined, 2 * MINUTE);
    expect(t.report.health.last_failed_status_check).toBe("Start etcd");
    t.report.checked(undefined, 11 * MINUTE);
    expect(t.report.health.last_failed_status_check).toBe("");
  });

  test("that an earlier daemon has left long ago is cleared as soon as this one finds it good", async () => {
    await using t = await setUp();
    t.report.checked("Start etcd", 0);
    await t.report.write();
    t.wall.now += 11 * MINUTE;
    const next = t.make();
    next.checked(undefined, 0);
    expect(next.health.last_failed_status_check).toBe("");
  });

  test("that an earlier daemon has left is cleared ten minutes after this one finds it good", async () => {
    await using t = await setUp();
    t.report.checked("Start etcd", 0);
    await t.report.write();
    const next = t.make();
    next.checked(undefined, MINUTE);
    expect(next.health.last_failed_status_check).toBe("Start etcd");
    next.checked(undefined, 11 * MINUTE);
    expect(next.health.last_failed_status_check).toBe("");
  });
});

describe("the document", () => {
  test("is written only when it says something new", async () => {
    await using t = await setUp();
    await t.report.write();
    const { ino } = await stat(t.root.place(paths.kubeStatus));
    t.report.set({ pf9_cluster_id: "" });
    await t.report.write();
    expect((await stat(t.root.place(paths.kubeStatus))).ino).toBe(ino);
    t.report.set({ pf9_cluster_id: "c-1" });
    await t.report.write();
    expect(t.written()?.pf9_cluster_id).toBe("c-1");
  });

  test("is whole on the disk once the report is settled, though nobody waited for the write", async () => {
    await using t = await setUp();
    t.report.set({ current_task: "Start etcd" });
    void t.report.write();
    await t.report.settled();
    expect(t.written()?.current_task).toBe("Start etcd");
    expect(await readdir(t.root.place("/var/opt/pf9"))).toEqual(["kube_status", "nodelet"]);
  });

  test("is written again when it cannot have reached the disk", async () => {
    await using t = await setUp();
    const temporary = t.root.place("/var/opt/pf9/.kube_status.nodelet.tmp");
    await mkdir(temporary);
    t.report.set({ pf9_cluster_id: "c-1" });
    await t.report.write();
    await t.report.write();
    expect(t.written()).toBeUndefined();
    expect(t.warnings).toHaveLength(1);
    expect(t.warnings[0]).toStartWith(`nodeletd: Cannot write "${t.root.place(paths.kubeStatus)}": `);
    expect(t.report.isBehind).toBe(true);
    await rm(temporary, { recursive: true });
    await t.report.write();
    expect(t.report.isBehind).toBe(false);
    expect(t.written()?.pf9_cluster_id).toBe("c-1");
    expect(t.warnings).toHaveLength(1);
  });

  test("trouble with it is told once, though the events are written all the time; and again when it comes back", async () => {
    await using t = await setUp();
    const temporary = t.root.place("/var/opt/pf9/.kube_status.nodelet.tmp");
    await mkdir(temporary);
    for (const what of ["one", "two", "three"]) {
      t.report.event(what);
      await t.report.write();
    }
    expect(t.warnings).toHaveLength(1);
    expect(t.events().map(({ what }) => what)).toEqual(["one", "two", "three"]);
    await rm(temporary, { recursive: true });
    await t.report.write();
    await mkdir(temporary);
    t.report.set({ pf9_cluster_id: "c-2" });
    await t.report.write();
    expect(t.warnings).toHaveLength(2);
  });

  test("says what phases there are and when the look began", async () => {
    await using t = await setUp();
    t.report.phases([phase("a", { status: async () => ({ state: "running" }) }), phase("b")]);
    t.report.looking();
    expect(t.report.health).toMatchObject({
      all_tasks: ["Title of a", "Title of b"],
      all_status_checks: ["Title of a"],
      status_check_timestamp: 1_700_000_000,
    });
  });

  test("follows the worker phase by phase, also where two are under way", async () => {
    await using t = await setUp();
    t.report.phases(["a", "b", "c"].map((id) => phase(id)));
    t.report.set({ completed_tasks: ["Title of a", "Title of b"] });
    const tell = (type: "begin" | "end" | "fail", id: string, verb: "start" | "stop") => {
      t.report.working({ type, id, title: `Title of ${id}`, verb });
      const { current_task, completed_tasks, last_failed_task } = t.report.health;
      return [current_task, completed_tasks.map((title) => title.at(-1)).join(""), last_failed_task];
    };
    expect(tell("begin", "b", "stop")).toEqual(["Title of b", "a", ""]);
    expect(tell("end", "b", "stop")).toEqual(["", "a", ""]);
    expect(tell("begin", "b", "start")).toEqual(["Title of b", "a", ""]);
    expect(tell("begin", "c", "start")).toEqual(["Title of b", "a", ""]);
    expect(tell("end", "b", "start")).toEqual(["Title of c", "ab", ""]);
    expect(tell("fail", "c", "start")).toEqual(["", "ab", "Title of c"]);
    expect(tell("begin", "c", "start")).toEqual(["Title of c", "ab", "Title of c"]);
    t.report.working({ type: "done", changed: [], failures: [] });
    expect(t.report.health.current_task).toBe("");
  });
});

describe("events", () => {
  test("go to the log and, the last fifty, to the file", async () => {
    await using t = await setUp();
    for (let at = 1; at <= 60; at++) t.report.event(`event ${at}`);
    await t.report.write();
    expect(t.events()).toHaveLength(50);
    expect(t.events()[0]).toEqual({ at: "2023-11-14T22:13:20.000Z", what: "event 11" });
    expect(t.events().at(-1)?.what).toBe("event 60");
    expect(t.infos).toHaveLength(60);
  });

  test.each(["", "{", "{}", "7", '[1, null, {"at": 3}]'])("a broken file (%p) holds none", async (text) => {
    await using t = await setUp();
    await t.root.write(paths.events, text);
    expect(t.events()).toEqual([]);
    t.report.event("new");
    await t.report.write();
    expect(t.events().map(({ what }) => what)).toEqual(["new"]);
  });

  test("a file that cannot be written stops nobody", async () => {
    await using t = await setUp();
    await mkdir(t.root.place(paths.events));
    t.report.event("one");
    t.report.event("two");
    await t.report.write();
    expect(t.warnings).toHaveLength(1);
    expect(t.written()).toBeDefined();
  });
});
