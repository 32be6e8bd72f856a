import { describe, expect, test } from "bun:test";
import { InterruptedError, UsageError } from "../../../src/errors.ts";
import { stopPhases } from "../../../src/runner/run.ts";
import { findPhase, selectForStop, selectPhases } from "../../../src/runner/select.ts";
import { ctxWith, hearing, phase, reasonOf } from "./help.ts";

describe("stopPhases()", () => {
  const broken = phase("020-b", { stop: () => Promise.reject(new Error("it holds on")) });
  const phases = [phase("010-a", { stop: async () => "changed" }), broken, phase("030-c")];

  test("stops the last phase first", async () => {
    const { heard, listen } = hearing();
    await stopPhases(ctxWith(), { phases: [phase("010-a"), phase("020-b")], listen });
    expect(heard).toEqual([
      "begin stop 020-b",
      "end stop 020-b unchanged",
      "begin stop 010-a",
      "end stop 010-a unchanged",
    ]);
  });

  test("ends at a phase that does not stop, and names it", async () => {
    const { heard, listen } = hearing();
    const error = await reasonOf(stopPhases(ctxWith(), { phases, listen }));
    expect(error.message).toBe('Cannot stop the phase "020-b" (Title of 020-b): it holds on');
    expect(heard.at(-1)).toBe("fail stop 020-b");
  });

  test("goes on past it when forced, and reports it", async () => {
    const { heard, listen } = hearing();
    const report = await stopPhases(ctxWith(), { phases, listen, force: true });
    expect(report).toEqual({
      changed: ["010-a"],
      failures: ['Cannot stop the phase "020-b" (Title of 020-b): it holds on'],
    });
    expect(heard.at(-1)).toBe("end stop 010-a changed");
  });

  test("an interruption ends it between two phases, forced or not", async () => {
    const controller = new AbortController();
    const first = phase("030-c", { stop: async () => (controller.abort(), "changed") });
    const { heard, listen } = hearing();
    const work = stopPhases(ctxWith(controller.signal), {
      phases: [phase("010-a"), first],
      listen,
      force: true,
    });
    const error = await reasonOf(work);
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error.message).toBe('Interrupted: did not stop the phase "010-a"');
    expect(heard.join()).not.toContain("010-a");
  });
});

const all = [phase("020-gen-certs"), phase("055-etcd-run"), phase("210-drain-pods", { onlyFullStop: true })];
const ids = (phases: readonly { id: string }[]) => phases.map(({ id }) => id);

describe("findPhase()", () => {
  test.each([
    ["1", 0],
    ["3", 2],
    ["055-etcd-run", 1],
    ["etcd-run", 1],
    ["055", 1],
  ])("takes %s", (typed, expected) => expect(findPhase(all, typed)).toBe(expected));

  test.each(["0", "4", "99", "etcd", "-1", "", "999"])("refuses %p", (typed) => {
    expect(() => findPhase(all, typed)).toThrow(UsageError);
    expect(() => findPhase(all, typed)).toThrow(
      `Cannot find the phase "${typed}"; expected an index from 1 to 3 or an id such as "020-gen-certs"`,
    );
  });
});

describe("selection", () => {
  test("all, from one on, or one alone", () => {
    expect(ids(selectPhases(all, {}))).toEqual(ids(all));
    expect(ids(selectPhases(all, { phase: "2" }))).toEqual(["055-etcd-run", "210-drain-pods"]);
    expect(ids(selectPhases(all, { phase: "2", single: true }))).toEqual(["055-etcd-run"]);
  });

  test("--single without a phase is refused", () => {
    expect(() => selectPhases(all, { single: true })).toThrow(
      "Cannot tell which phase --single is about; expected --phase as well",
    );
  });

  test("what is only for a full stop is left out of a partial one, but can be asked for", () => {
    expect(ids(selectForStop(all, {}))).toEqual(ids(all));
    expect(ids(selectForStop(all, { phase: "1" }))).toEqual(ids(all));
    expect(ids(selectForStop(all, { phase: "2" }))).toEqual(["055-etcd-run"]);
    expect(ids(selectForStop(all, { phase: "3", single: true }))).toEqual(["210-drain-pods"]);
  });
});
