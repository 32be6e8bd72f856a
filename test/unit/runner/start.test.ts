import { describe, expect, test } from "bun:test";
import { AppError, InterruptedError } from "../../../src/errors.ts";
import { startPhases } from "../../../src/runner/run.ts";
import { ctxWith, gate, hearing, phase, reasonOf } from "./help.ts";

/** Resolves when the signal fires, and then fails as a wait does. */
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    const end = () => reject(new InterruptedError("Interrupted: did not wait"));
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  });

describe("startPhases()", () => {
  test("starts one phase after the other, and reports what changed", async () => {
    const { heard, listen } = hearing();
    const phases = [phase("010-a", { start: async () => "changed" }), phase("020-b")];
    const report = await startPhases(ctxWith(), { phases, listen });
    expect(report).toEqual({ changed: ["010-a"], failures: [] });
    expect(heard.filter((line) => line.startsWith("begin"))).toEqual([
      "begin start 010-a",
      "begin start 020-b",
    ]);
    expect(heard).toContain("end start 010-a changed");
    expect(heard).toContain("end start 020-b unchanged");
  });

  test("the next phase begins only when the one before has started", async () => {
    const { heard, listen } = hearing();
    const { promise, resolve } = gate();
    const slow = phase("010-a", {
      async start() {
        await promise;
        return "unchanged";
      },
    });
    const work = startPhases(ctxWith(), { phases: [slow, phase("020-b")], listen });
    await Promise.resolve();
    expect(heard).toEqual(["begin start 010-a"]);
    resolve();
    await work;
    expect(heard).toContain("begin start 020-b");
  });

  test("a phase becomes ready while later ones start", async () => {
    const { heard, listen } = hearing();
    const { promise, resolve } = gate();
    const first = phase("010-a", { ready: () => promise });
    const second = phase("020-b", {
      async start() {
        resolve();
        return "unchanged";
      },
    });
    await startPhases(ctxWith(), { phases: [first, second], listen });
    expect(heard.indexOf("begin start 020-b")).toBeLessThan(heard.indexOf("end start 010-a unchanged"));
  });

  test("a phase that needs another one waits until it is ready", async () => {
    const { heard, listen } = hearing();
    const { promise, resolve } = gate();
    const first = phase("010-a", { ready: () => promise });
    const between = phase("020-b", { start: async () => (setImmediate(resolve), "unchanged") });
    await startPhases(ctxWith(), { phases: [first, between, phase("030-c", { needs: ["010-a"] })], listen });
    expect(heard.indexOf("end start 010-a unchanged")).toBeGreaterThan(heard.indexOf("begin start 020-b"));
    expect(heard.indexOf("end start 010-a unchanged")).toBeLessThan(heard.indexOf("begin start 030-c"));
  });

  test("a phase that says what it needs does not wait for the start of others", async () => {
    const { heard, listen } = hearing();
    const { promise, resolve } = gate();
    const slow = phase("020-b", { start: async () => (await promise, "unchanged") });
    const free = phase("030-c", { needs: ["010-a"], start: async () => (resolve(), "unchanged") });
    await startPhases(ctxWith(), { phases: [phase("010-a"), slow, free], listen });
    expect(heard.indexOf("end start 030-c unchanged")).toBeLessThan(
      heard.indexOf("end start 020-b unchanged"),
    );
  });

  test("a need that is not part of this run is met", async () => {
    const { listen } = hearing();
    const report = await startPhases(ctxWith(), { phases: [phase("030-c", { needs: ["010-a"] })], listen });
    expect(report.failures).toEqual([]);
  });

  test("what a phase waits for is told once each", async () => {
    const { heard, listen } = hearing();
    const ready = async (_: unknown, say: (what: string) => void) => ["x", "x", "y"].forEach(say);
    await startPhases(ctxWith(), { phases: [phase("010-a", { ready })], listen });
    expect(heard.filter((line) => line.startsWith("say"))).toEqual([
      "say start 010-a x",
      "say start 010-a y",
    ]);
  });
});

describe("a failure of startPhases()", () => {
  const failing = (error: Error) => phase("020-b", { start: () => Promise.reject(error) });

  test("names the phase, keeps the way out, and ends the run", async () => {
    const { heard, listen } = hearing();
    const phases = [phase("010-a"), failing(new AppError("No room", { hint: "make room" })), phase("030-c")];
    const error = await reasonOf(startPhases(ctxWith(), { phases, listen }));
    expect(error.message).toBe('Cannot start the phase "020-b" (Title of 020-b): No room');
    expect((error as AppError).hint).toBe("make room");
    expect(heard).toContain("fail start 020-b");
    expect(heard.join()).not.toContain("030-c");
  });

  test("that is thrown before there is a promise is told like any other", async () => {
    const { heard, listen } = hearing();
    const start = () => {
      throw new AppError("No image");
    };
    const error = await reasonOf(startPhases(ctxWith(), { phases: [phase("010-a", { start })], listen }));
    expect(error.message).toBe('Cannot start the phase "010-a" (Title of 010-a): No image');
    expect(heard).toEqual(["begin start 010-a", "fail start 010-a"]);
  });

  test("cancels the waits of earlier phases, and is what is reported", async () => {
    const { heard, listen } = hearing();
    const waiting = phase("010-a", { ready: ({ signal }) => untilAborted(signal) });
    const error = await reasonOf(
      startPhases(ctxWith(), { phases: [waiting, failing(new Error("broken"))], listen }),
    );
    expect(error.message).toBe('Cannot start the phase "020-b" (Title of 020-b): broken');
    expect(heard).toContain("fail start 010-a");
  });

  test("of a wait cancels the start of a later phase, and is what is reported", async () => {
    const { listen } = hearing();
    const { promise, reject } = gate();
    const first = phase("010-a", { ready: () => promise });
    const second = phase("020-b", {
      start({ signal }) {
        reject(new Error("never healthy"));
        return untilAborted(signal);
      },
    });
    const error = await reasonOf(startPhases(ctxWith(), { phases: [first, second], listen }));
    expect(error.message).toBe('Cannot start the phase "010-a" (Title of 010-a): never healthy');
  });

  test("of the last wait is reported after all have started", async () => {
    const { listen } = hearing();
    const last = phase("010-a", { ready: () => Promise.reject(new Error("never healthy")) });
    const error = await reasonOf(startPhases(ctxWith(), { phases: [last], listen }));
    expect(error.message).toContain("never healthy");
  });
});

describe("an interruption of startPhases()", () => {
  test("ends the run between two phases", async () => {
    const { heard, listen } = hearing();
    const controller = new AbortController();
    const first = phase("010-a", { start: async () => (controller.abort(), "changed") });
    const error = await reasonOf(
      startPhases(ctxWith(controller.signal), { phases: [first, phase("020-b")], listen }),
    );
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error.message).toBe('Interrupted: did not start the phase "020-b"');
    expect(heard).toEqual(["begin start 010-a", "end start 010-a changed"]);
  });

  test("ends a wait, and keeps its own exit code", async () => {
    const { listen } = hearing();
    const controller = new AbortController();
    const waiting = phase("010-a", { ready: ({ signal }) => untilAborted(signal) });
    const work = reasonOf(startPhases(ctxWith(controller.signal), { phases: [waiting], listen }));
    controller.abort();
    expect((await work) as InterruptedError).toMatchObject({ exitCode: 130 });
  });
});
