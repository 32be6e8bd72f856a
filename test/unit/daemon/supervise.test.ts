import { describe, expect, test } from "bun:test";
import type { Task } from "../../../src/daemon/judge.ts";
import { supervise } from "../../../src/daemon/supervise.ts";
import type { WorkerLine, WorkResult } from "../../../src/daemon/worker.ts";
import { phase } from "../runner/help.ts";

const PHASES = ["055-etcd", "080-kubelet", "100-wait"].map((id) => phase(id));
const DONE: WorkResult = { outcome: "ok", changed: [], problem: "" };

function line(type: "begin" | "end", id: string): WorkerLine {
  return { type, id, title: id, verb: "start" };
}

/**
 * Supervises a worker that says these lines and then waits for ever, or until it is called back. Each sleep takes two seconds
 * of the test's own clock.
 *
 * @param options `looks`: what the looks find, one after the other; the worker ends by itself after the last
 */
async function watched(options: {
  task?: Task;
  lines?: WorkerLine[];
  looks: { failing: string | undefined; obsolete?: string }[];
}) {
  let now = 0;
  let end = () => {};
  const looks = [...options.looks];
  const result = await supervise({
    task: options.task ?? { do: "start", from: "080-kubelet" },
    phases: PHASES,
    async run(onLine, signal) {
      for (const one of options.lines ?? []) onLine(one);
      const outcome = await new Promise<WorkResult["outcome"]>((resolve) => {
        end = () => resolve("ok");
        signal.addEventListener("abort", () => resolve("interrupted"));
      });
      return { ...DONE, outcome };
    },
    async look() {
      const found = looks.shift();
      if (looks.length === 0) queueMicrotask(() => end());
      return found ?? { failing: undefined };
    },
    async sleep() {
      now += 2_000;
    },
    monotonic: () => now,
    signal: new AbortController().signal,
  });
  return { ...result, left: looks.length };
}

const fails = (id: string, times: number) => Array.from({ length: times }, () => ({ failing: id }));

describe("supervise()", () => {
  test("a worker whose phases are the ones that fail is left to its work", async () => {
    const lines = [line("begin", "080-kubelet")];
    expect(await watched({ lines, looks: fails("080-kubelet", 9) })).toEqual({ ...DONE, left: 0 });
    expect(await watched({ lines, looks: fails("100-wait", 9) })).toEqual({ ...DONE, left: 0 });
  });

  test("a worker is called back when a phase before its chain has failed for some seconds", async () => {
    const { outcome, overtaken } = await watched({ looks: fails("055-etcd", 9) });
    expect({ outcome, overtaken }).toEqual({
      outcome: "interrupted",
      overtaken: '"055-etcd" fails meanwhile',
    });
  });

  test("so it is when a phase fails that the worker has started already, not one that it starts again", async () => {
    const ended = [line("begin", "080-kubelet"), line("end", "080-kubelet")];
    const looks = fails("080-kubelet", 9);
    expect(await watched({ lines: ended, looks })).toMatchObject({ outcome: "interrupted" });
    expect(await watched({ lines: [...ended, line("begin", "080-kubelet")], looks })).toMatchObject(DONE);
  });

  test("what fails for a moment only is not worth it", async () => {
    const looks = [...fails("055-etcd", 2), { failing: undefined }, ...fails("055-etcd", 2)];
    expect(await watched({ looks })).toEqual({ ...DONE, left: 0 });
  });

  test("a task that is not wanted any more is called back at once", async () => {
    const looks = [{ failing: undefined, obsolete: "the configuration is new" }, ...fails("100-wait", 5)];
    expect(await watched({ looks })).toEqual({
      ...DONE,
      outcome: "interrupted",
      overtaken: "the configuration is new",
      left: 5,
    });
  });

  test("with all phases nothing is before the chain", async () => {
    expect(await watched({ task: { do: "full" }, looks: fails("055-etcd", 9) })).toEqual({
      ...DONE,
      left: 0,
    });
  });

  test("a look that throws does not end the worker", async () => {
    const result = await supervise({
      task: { do: "full" },
      phases: PHASES,
      run: async () => DONE,
      look: () => Promise.reject(new Error("disk")),
      sleep: async () => {},
      monotonic: () => 0,
      signal: new AbortController().signal,
    });
    expect(result).toEqual(DONE);
  });
});
