import { describe, expect, spyOn, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { noteEvent, readNotes } from "../../../src/runner/book.ts";
import type { PhaseEvent } from "../../../src/runner/events.ts";
import type { PhaseState } from "../../../src/runner/phase.ts";
import { statusOf } from "../../../src/runner/status.ts";
import { fakeClock } from "../../fake/clock.ts";
import { tmpRoot } from "../../fake/root.ts";
import { ctxWith, phase } from "./help.ts";

const one = (state: PhaseState) => phase("010-a", { status: async () => state });
const executing = { "010-a": { status: "executing", at: "" } } as const;

describe("statusOf()", () => {
  test("shows what the probe found, with its words", async () => {
    const phases = [one({ state: "running" }), one({ state: "failed", message: "no answer" })];
    const [running, failed] = await statusOf(ctxWith(), { phases, notes: {}, busy: false });
    expect(running).toEqual({
      index: 1,
      id: "010-a",
      title: "Title of 010-a",
      statusCheck: true,
      status: "running",
      message: "",
    });
    expect(failed).toMatchObject({ index: 2, status: "failed", message: "no answer" });
  });

  test("a phase without a probe is N/A", async () => {
    const [found] = await statusOf(ctxWith(), { phases: [phase("010-a")], notes: {}, busy: false });
    expect(found).toMatchObject({ statusCheck: false, status: "N/A" });
  });

  test("a probe that cannot look finds nothing running, and says why", async () => {
    const status = () => Promise.reject(new Error("no certificate"));
    const [found] = await statusOf(ctxWith(), {
      phases: [phase("010-a", { status })],
      notes: {},
      busy: false,
    });
    expect(found).toMatchObject({ status: "stopped", message: "no certificate" });
  });

  test("what may pass is asked again, and counts only when it stays", async () => {
    const bad: PhaseState = { state: "failed", message: "no leader", passing: true };
    const asked: number[] = [];
    const after = (failures: number) => {
      let times = 0;
      return phase("010-a", {
        status: async () => (asked.push(++times), times > failures ? { state: "running" } : bad),
      });
    };
    const clock = fakeClock();
    const ctx = { ...ctxWith(), clock };
    const phases = [after(0), after(2), after(3)];
    const found = await statusOf(ctx, { phases, notes: {}, busy: false });
    expect(found.map(({ status, message }) => [status, message])).toEqual([
      ["running", ""],
      ["running", ""],
      ["failed", "no leader"],
    ]);
    expect(asked.toSorted()).toEqual([1, 1, 1, 2, 2, 3, 3]);
    expect(clock.sleeps).toEqual([700, 700, 700, 700]);
  });

  test("executing is only what is at work now, not what a killed run has left", async () => {
    const phases = [one({ state: "running" })];
    const [busy] = await statusOf(ctxWith(), { phases, notes: executing, busy: true });
    const [killed] = await statusOf(ctxWith(), { phases, notes: executing, busy: false });
    expect([busy?.status, killed?.status]).toEqual(["executing", "running"]);
  });

  test("a probe that does not end is failed, and told to end", async () => {
    const late = new AbortController();
    const timeout = spyOn(AbortSignal, "timeout").mockReturnValue(late.signal);
    try {
      let seen: AbortSignal | undefined;
      const stuck = phase("010-a", {
        status({ signal }) {
          seen = signal;
          return new Promise(() => {});
        },
      });
      const work = statusOf(ctxWith(), {
        phases: [stuck, one({ state: "running" })],
        notes: {},
        busy: false,
      });
      // The other one has ended by then.
      await Bun.sleep(0);
      late.abort();
      const [found, other] = await work;
      expect(found).toMatchObject({ status: "failed", message: "the check did not end within 10 s" });
      expect(other?.status).toBe("running");
      expect(seen?.aborted).toBe(true);
      expect(timeout).toHaveBeenCalledWith(10_000);
    } finally {
      timeout.mockRestore();
    }
  });
});

describe("the notes of phases", () => {
  const event = (more: object) =>
    ({ phase: phase("010-a"), verb: "start", index: 1, total: 1, ...more }) as PhaseEvent;
  const noted = async (...events: object[]) => {
    await using root = await tmpRoot();
    const file = root.place("/state/phases.json");
    for (const more of events) noteEvent(file, event(more));
    return { note: readNotes(file)["010-a"], names: Object.keys(await root.snapshot()) };
  };

  test.each([
    ["executing", { type: "begin" }],
    ["running", { type: "end", outcome: "changed", ms: 1 }],
    ["stopped", { type: "end", verb: "stop", outcome: "changed", ms: 1 }],
    ["failed", { type: "fail", error: new Error("broken"), ms: 1 }],
  ])("%s", async (status, more) => {
    const { note, names } = await noted(more);
    expect(note).toMatchObject({ status, ...(status === "failed" && { message: "broken" }) });
    expect(Date.parse(note?.at ?? "")).not.toBeNaN();
    expect(names).toEqual(["state", "state/phases.json"]);
  });

  test("a word while waiting changes nothing", async () => {
    const { note } = await noted({ type: "begin" }, { type: "say", what: "x" });
    expect(note?.status).toBe("executing");
  });

  test.each(["", "{", "null", "7"])("a broken file (%p) is an empty one", async (text) => {
    await using root = await tmpRoot();
    await root.write("/phases.json", text);
    expect(readNotes(root.place("/phases.json"))).toEqual({});
    noteEvent(root.place("/phases.json"), event({ type: "begin" }));
    expect(readNotes(root.place("/phases.json"))["010-a"]?.status).toBe("executing");
  });

  test("a place that cannot be written stops nobody", async () => {
    await using root = await tmpRoot();
    await mkdir(root.place("/phases.json"));
    noteEvent(root.place("/phases.json"), event({ type: "begin" }));
    expect(readNotes(root.place("/phases.json"))).toEqual({});
  });
});
