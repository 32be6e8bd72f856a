import { describe, expect, test } from "bun:test";
import { look, type PassOptions } from "../../../src/daemon/pass.ts";
import type { Phase, PhaseState } from "../../../src/runner/phase.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { ctxWith, phase } from "../runner/help.ts";

const good = (id: string) => phase(id, { status: async () => ({ state: "running" }) });
const bad = (id: string, message = "no answer") =>
  phase(id, { status: async () => ({ state: "failed", message }) });

/** A phase whose check ends when the test says so; `asked` is the signal that it was given. */
function waiting(id: string) {
  const { promise, resolve } = Promise.withResolvers<PhaseState>();
  const asked: { signal?: AbortSignal } = {};
  const one = phase(id, {
    status: ({ signal }) => {
      asked.signal = signal;
      return promise;
    },
  });
  return { one, asked, end: () => resolve({ state: "running" }) };
}

async function lookAt(phases: readonly Phase[], options: Partial<PassOptions> = {}) {
  using machine = fakeMachine("/nowhere");
  return await look(ctxWith(), { machine, phases, held: new Set(), declared: {}, ...options });
}

const idsOf = (checks: readonly { id: string; status: string }[]) =>
  checks.map(({ id, status }) => `${id} ${status}`);

describe("look()", () => {
  test("has each check with its time, and leaves out what has none", async () => {
    const { checks, ms } = await lookAt([good("010-a"), phase("020-b"), good("030-c")]);
    expect(idsOf(checks)).toEqual(["010-a running", "030-c running"]);
    expect(checks[1]).toMatchObject({ index: 3, title: "Title of 030-c", statusCheck: true, message: "" });
    for (const check of checks) expect(check.ms).toBeWithin(0, ms + 0.001);
  });

  test("waits for what comes before the first that fails, and not for what comes after it", async () => {
    const [before, after] = [waiting("010-a"), waiting("030-c")];
    const work = lookAt([before.one, bad("020-b"), after.one]);
    before.end();
    expect(idsOf((await work).checks)).toEqual(["010-a running", "020-b failed"]);
    expect(after.asked.signal?.aborted).toBe(true);
  });

  test("with patience also has what answers meanwhile", async () => {
    const [quick, stuck] = [waiting("020-b"), waiting("030-c")];
    setTimeout(quick.end, 5);
    const { checks } = await lookAt([bad("010-a"), quick.one, stuck.one], { patienceMs: 100 });
    expect(idsOf(checks)).toEqual(["010-a failed", "020-b running"]);
    expect(stuck.asked.signal?.aborted).toBe(true);
  });

  test("patience ends when all have answered", async () => {
    const { checks } = await lookAt([bad("010-a"), good("020-b")], { patienceMs: 60_000 });
    expect(idsOf(checks)).toEqual(["010-a failed", "020-b running"]);
  });

  test("does not ask what an operator stopped, and what needs it", async () => {
    const needing = { ...bad("030-c"), needs: ["020-b"] };
    const { checks, alone } = await lookAt([good("010-a"), bad("020-b"), needing], {
      held: new Set(["020-b"]),
    });
    expect(idsOf(checks)).toEqual(["010-a running"]);
    expect([...alone]).toEqual(["020-b", "030-c"]);
  });
});
