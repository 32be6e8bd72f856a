import { describe, expect, test } from "bun:test";
import { AppError, InterruptedError, UnavailableError } from "../../../src/errors.ts";
import { until } from "../../../src/runner/wait.ts";
import { fakeClock } from "../../fake/clock.ts";
import { reasonOf } from "./help.ts";

const common = () => {
  const clock = fakeClock();
  return { action: "start etcd", timeoutMs: 1000, clock, signal: new AbortController().signal };
};

describe("until()", () => {
  test("gives the value at once when it is there, without sleeping", async () => {
    const options = common();
    expect(await until(async () => ({ value: 7 }), options)).toBe(7);
    expect(options.clock.sleeps).toEqual([]);
  });

  test("polls every 100 ms, or as told, and says what is missing", async () => {
    const options = common();
    const said: string[] = [];
    let left = 3;
    const poll = async () => (--left === 0 ? { value: "up" } : { missing: `${left} more` });
    expect(await until(poll, { ...options, say: (what) => said.push(what) })).toBe("up");
    expect(options.clock.sleeps).toEqual([100, 100]);
    expect(said).toEqual(["2 more", "1 more"]);
    left = 2;
    await until(poll, { ...options, everyMs: 500 });
    expect(options.clock.sleeps.at(-1)).toBe(500);
  });

  test("asks again who cannot answer now, and says so when the time is over", async () => {
    const options = common();
    let left = 3;
    const busy = () => Promise.reject(new UnavailableError("API server refused GET /x: 503 busy"));
    expect(await until(() => (--left === 0 ? Promise.resolve({ value: "up" }) : busy()), options)).toBe("up");
    expect((await reasonOf(until(busy, options))).message).toBe(
      "Cannot start etcd within 1 s: API server refused GET /x: 503 busy",
    );
  });

  test.each([
    ["two days on", 2 * 24 * 3_600_000],
    ["one hour back", -3_600_000],
  ])("keeps its deadline when the wall clock jumps %s", async (_, jump) => {
    const options = common();
    const { clock } = options;
    const jumping = { ...clock, now: () => clock.now() + (clock.sleeps.length > 2 ? jump : 0) };
    await reasonOf(until(async () => ({ missing: "it" }), { ...options, clock: jumping }));
    expect(clock.sleeps).toHaveLength(10);
  });

  test("ends at its deadline with what was missing last, and the way out", async () => {
    const options = common();
    const work = until(async () => ({ missing: `at ${options.clock.now()}` }), {
      ...options,
      hint: "look there",
    });
    const error = (await reasonOf(work)) as AppError;
    expect(error.message).toBe("Cannot start etcd within 1 s: at 1000");
    expect(error.hint).toBe("look there");
    expect(options.clock.sleeps.length).toBe(10);
  });

  test("looks once although there is no time", async () => {
    expect(await until(async () => ({ value: 1 }), { ...common(), timeoutMs: 0 })).toBe(1);
    const late = await reasonOf(until(async () => ({ missing: "all" }), { ...common(), timeoutMs: 0 }));
    expect(late.message).toBe("Cannot start etcd within 0 s: all");
  });

  test("ends when the operator asks, before the next look", async () => {
    const controller = new AbortController();
    const options = { ...common(), signal: controller.signal };
    options.clock.onSleep = () => controller.abort();
    let looks = 0;
    const error = await reasonOf(until(async () => ({ missing: String(++looks) }), options));
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error.message).toBe("Interrupted: did not start etcd");
    expect(looks).toBe(1);
  });

  test("a failing look ends it as it is", async () => {
    const error = await reasonOf(
      until(() => Promise.reject(new AppError("etcd ended with code 1")), common()),
    );
    expect(error.message).toBe("etcd ended with code 1");
  });
});
