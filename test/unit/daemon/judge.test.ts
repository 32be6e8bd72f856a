import { describe, expect, test } from "bun:test";
import {
  afterTask,
  judge,
  type Memory,
  NO_MEMORY,
  nodeState,
  type Seen,
  type Task,
} from "../../../src/daemon/judge.ts";

const rules = { fullRetryCount: 10, toleranceMs: 0 };

function seen(more: Partial<Seen> = {}): Seen {
  return { desired: "true", failing: [], changed: false, stopped: false, now: 0, ...more };
}

/** Judges the same facts again and again, each time after the pause, with tasks that all end alike. */
function attempts(count: number, options: { facts: Partial<Seen>; ok: boolean; memory?: Memory }) {
  let memory = options.memory ?? NO_MEMORY;
  const tasks: (Task | undefined)[] = [];
  for (let now = 0, at = 0; at < count; at++, now += 100_000) {
    const judgement = judge(memory, seen({ ...options.facts, now }), rules);
    tasks.push(judgement.task);
    memory = afterTask(judgement.memory, { ok: options.ok, now, random: 0.5 });
  }
  return { tasks, memory };
}

describe("judge()", () => {
  test("a node that is as declared is left alone, and what was before is forgotten", () => {
    const memory = { ...NO_MEMORY, attempts: 7, failingSince: 1, notBefore: 99 };
    expect(judge(memory, seen(), rules)).toEqual({
      memory: NO_MEMORY,
      task: undefined,
      lookAgainIn: undefined,
    });
  });

  test("a task that fails again and again while all checks are good comes to a full one too", () => {
    const { tasks } = attempts(11, { facts: { changed: true }, ok: false });
    expect(tasks.map((task) => task?.do).lastIndexOf("full")).toBeGreaterThan(8);
    expect(tasks.filter((task) => task?.do === "full")).toHaveLength(1);
  });

  test.each(["020-gen-certs", "090-kube-proxy-start"])(
    "attempts on %s: start from it, then stop and start from it, and all phases every tenth time",
    (id) => {
      const { tasks, memory } = attempts(20, { facts: { failing: [id, "210-last"] }, ok: false });
      const restart = { do: "restart", from: id } as const;
      const nine = Array.from({ length: 9 }, () => restart);
      expect(tasks).toEqual([
        { do: "start", from: id },
        ...nine.slice(1),
        { do: "full" },
        ...nine,
        { do: "full" },
      ]);
      expect(memory.attempts).toBe(20);
    },
  );

  test("a task that succeeds without making the check good is an attempt as well", () => {
    const { tasks, memory } = attempts(10, { facts: { failing: ["055-etcd-run"] }, ok: true });
    expect(tasks.at(-1)).toEqual({ do: "full" });
    expect(memory).toMatchObject({ attempts: 10, taskFailed: false });
  });

  test("is never the last word: attempt 1000 is made like any other", () => {
    const memory = { ...NO_MEMORY, attempts: 999 };
    expect(judge(memory, seen({ failing: ["a"] }), rules)).toMatchObject({
      memory: { attempts: 1000 },
      task: { do: "full" },
    });
    const after = afterTask({ ...memory, attempts: 5000 }, { ok: false, now: 0, random: 0.5 });
    expect(after.notBefore).toBe(60_000);
    expect(judge(after, seen({ failing: ["a"], now: 60_000 }), rules).memory.attempts).toBe(5001);
  });

  test("counts on from what a killed daemon had counted", () => {
    const { task, memory } = judge({ ...NO_MEMORY, attempts: 4 }, seen({ failing: ["a"] }), rules);
    expect([task, memory.attempts]).toEqual([{ do: "restart", from: "a" }, 5]);
  });

  test("no attempt is made, nor counted, before the pause is over", () => {
    const memory = { ...NO_MEMORY, attempts: 3, notBefore: 5000, failingSince: 0 };
    expect(judge(memory, seen({ failing: ["a"], now: 1000 }), rules)).toEqual({
      memory,
      task: undefined,
      lookAgainIn: 4000,
    });
    expect(judge(memory, seen({ failing: ["a"], now: 5000 }), rules).memory.attempts).toBe(4);
  });

  test("with something changed besides, the first attempt starts all phases", () => {
    const { task } = judge(NO_MEMORY, seen({ failing: ["a"], changed: true }), rules);
    expect(task).toEqual({ do: "start" });
  });

  test("what was changed is brought about at once, and is no attempt", () => {
    const found = judge(NO_MEMORY, seen({ changed: true }), rules);
    expect(found).toEqual({ memory: NO_MEMORY, task: { do: "start" }, lookAgainIn: undefined });
    expect(afterTask(found.memory, { ok: true, now: 0, random: 0 })).toMatchObject({
      attempts: 0,
      taskFailed: false,
    });
  });

  test("a change that cannot be brought about counts, pauses, and is tried again with all checks good", () => {
    const { tasks, memory } = attempts(3, { facts: { changed: true }, ok: false });
    expect(tasks).toEqual([{ do: "start" }, { do: "start" }, { do: "start" }]);
    expect(memory).toMatchObject({ attempts: 3, taskFailed: true });
    expect(judge(memory, seen({ now: memory.notBefore - 1 }), rules).task).toBeUndefined();
    expect(judge(memory, seen({ now: memory.notBefore }), rules).task).toEqual({ do: "start" });
  });
});

describe("what fails for something elsewhere", () => {
  const cutOff = { failing: ["055-etcd-run", "100-wait"], elsewhere: true };

  test("is never a reason to stop anything here: what is missing is started, again and again", () => {
    const { tasks, memory } = attempts(20, { facts: cutOff, ok: false });
    expect(tasks).toEqual(Array.from({ length: 20 }, () => ({ do: "start" })));
    expect(memory.attempts).toBe(20);
  });

  test("is not counted any more once it is over, when the last task is made good", () => {
    const { memory } = attempts(9, { facts: cutOff, ok: false });
    const { tasks } = attempts(1, { facts: {}, ok: true, memory });
    expect(tasks).toEqual([{ do: "start" }]);
  });

  test("is not counted when something here fails after it", () => {
    const { memory } = attempts(9, { facts: cutOff, ok: false });
    const { tasks } = attempts(2, { facts: { failing: ["a"] }, ok: false, memory });
    expect(tasks).toEqual([
      { do: "start", from: "a" },
      { do: "restart", from: "a" },
    ]);
  });
});

describe("the tolerance", () => {
  const tolerant = { ...rules, toleranceMs: 30_000 };

  test("a check counts only after it has failed without a break for so long", () => {
    const first = judge(NO_MEMORY, seen({ failing: ["a"], now: 100 }), tolerant);
    expect(first).toMatchObject({ task: undefined, lookAgainIn: 1000, memory: { attempts: 0 } });
    const later = judge(first.memory, seen({ failing: ["a"], now: 29_600 }), tolerant);
    expect(later).toMatchObject({ task: undefined, lookAgainIn: 500 });
    expect(judge(later.memory, seen({ failing: ["a"], now: 30_100 }), tolerant).task).toBeDefined();
  });

  test("a good check in between begins it anew", () => {
    const first = judge(NO_MEMORY, seen({ failing: ["a"], now: 0 }), tolerant);
    const good = judge(first.memory, seen({ now: 20_000 }), tolerant);
    expect(judge(good.memory, seen({ failing: ["a"], now: 40_000 }), tolerant).task).toBeUndefined();
  });

  test("a good check begins it anew also when the last task failed", () => {
    const memory = { ...NO_MEMORY, attempts: 1, failingSince: 0, notBefore: 90_000, taskFailed: true };
    const good = judge(memory, seen({ now: 60_000 }), tolerant);
    expect(judge(good.memory, seen({ failing: ["a"], now: 91_000 }), tolerant).task).toBeUndefined();
  });

  test("a second attempt does not wait for it again", () => {
    const memory = { ...NO_MEMORY, attempts: 1, failingSince: 0, notBefore: 40_000, taskFailed: true };
    expect(judge(memory, seen({ failing: ["a"], now: 40_000 }), tolerant).task).toBeDefined();
  });
});

describe("what is declared", () => {
  test("ignore: nothing is done whatever is seen", () => {
    const facts = seen({ desired: "ignore", failing: ["a"], changed: true });
    expect(judge({ ...NO_MEMORY, attempts: 3 }, facts, rules)).toEqual({
      memory: NO_MEMORY,
      task: undefined,
      lookAgainIn: undefined,
    });
  });

  test("false: everything is stopped, also where it runs only in part, until it is", () => {
    const facts = { desired: "false", failing: ["a"] } as const;
    const { tasks, memory } = attempts(2, { facts, ok: false });
    expect(tasks).toEqual([{ do: "stop" }, { do: "stop" }]);
    expect(judge(memory, seen({ ...facts, stopped: true }), rules)).toMatchObject({
      memory: NO_MEMORY,
      task: undefined,
    });
  });

  test("false: a stop that failed is not tried again before the pause is over", () => {
    const memory = { ...NO_MEMORY, attempts: 1, taskFailed: true, notBefore: 1500 };
    const facts = seen({ desired: "false", now: 1000 });
    expect(judge(memory, facts, rules)).toMatchObject({ task: undefined, lookAgainIn: 500 });
  });
});

describe("the pause after a task", () => {
  const pause = (tries: number, random: number) =>
    afterTask({ ...NO_MEMORY, attempts: tries }, { ok: false, now: 1000, random }).notBefore - 1000;

  test("doubles with each attempt, up to a minute", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 2000].map((tries) => pause(tries, 0.5))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  test.each([1, 4, 50])("is by chance up to half shorter or longer (attempt %d)", (tries) => {
    const middle = pause(tries, 0.5);
    expect(pause(tries, 0)).toBe(middle * 0.5);
    expect(pause(tries, 1)).toBe(middle * 1.5);
    expect(pause(tries, 0.25)).toBe(middle * 0.75);
  });
});

describe("nodeState()", () => {
  test.each([
    [0, "converging"],
    [1, "converging"],
    [2, "retrying"],
    [10, "retrying"],
    [11, "failed"],
    [1000, "failed"],
  ] as const)("after %d attempts a node that is not as wanted is %s", (tries, state) => {
    expect(nodeState(tries, false)).toBe(state);
    expect(nodeState(tries, true)).toBe("ok");
  });
});
