import { describe, expect, test } from "bun:test";
import type { Task } from "../../../src/daemon/judge.ts";
import { runWorker, type WorkerLine, type WorkOptions } from "../../../src/daemon/worker.ts";
import { tmpRoot } from "../../fake/root.ts";

/** Runs a shell script in place of the program. */
async function working(script: string, more: Partial<WorkOptions> = {}) {
  await using root = await tmpRoot();
  await root.write("worker", `#!/bin/sh\n${script}\n`, 0o755);
  const lines: WorkerLine[] = [];
  const result = await runWorker({
    task: { do: "start" },
    program: [root.place("worker")],
    onLine: (line) => void lines.push(line),
    signal: new AbortController().signal,
    env: {},
    ...more,
  });
  return { lines, result };
}

const DONE = `echo '{"type":"done","changed":["055-etcd"],"failures":[]}'`;
const begin = { type: "begin", id: "055-etcd", title: "Start etcd", verb: "start" } as const;

describe("runWorker()", () => {
  test.each<[Task, string]>([
    [{ do: "start" }, "reconcile start"],
    [{ do: "start", from: "a" }, "reconcile start --from a"],
    [{ do: "restart", from: "a" }, "reconcile restart --from a"],
    [{ do: "full" }, "reconcile full"],
    [{ do: "follow" }, "reconcile follow"],
    [{ do: "stop" }, "reconcile stop"],
  ])("calls the program for %j", async (task, words) => {
    const { result } = await working('echo "error: $*" >&2; exit 1', { task });
    expect(result.problem).toBe(words);
  });

  test("hands on each line, whatever chunks they come in", async () => {
    const text = JSON.stringify({ ...begin, title: "Stärt etcd" });
    const at = text.indexOf("ä");
    // In the middle of a letter of two bytes, and two lines in one chunk.
    const script = `
      printf '%s\\303' '${text.slice(0, at)}'; sleep 0.05
      printf '\\244%s\\n%s\\n' '${text.slice(at + 1)}' '${JSON.stringify(begin)}'; sleep 0.05
      ${DONE}`;
    const { lines, result } = await working(script);
    expect(lines).toEqual([
      { ...begin, title: "Stärt etcd" },
      begin,
      { type: "done", changed: ["055-etcd"], failures: [] },
    ]);
    expect(result).toEqual({ outcome: "ok", changed: ["055-etcd"], problem: "" });
  });

  test.each(["not JSON", "", "{", "7", "null", '"text"', "[]", "{}", '{"type":"done"}', '{"type":"other"}'])(
    "a line that is not the worker's (%p) is passed over",
    async (line) => {
      const { lines, result } = await working(`echo '${line}'; ${DONE}`);
      expect(lines).toEqual([{ type: "done", changed: ["055-etcd"], failures: [] }]);
      expect(result.outcome).toBe("ok");
    },
  );

  test("more than a pipe holds, on both outputs, is read to its end", async () => {
    const { result } = await working(
      `head -c 300000 /dev/zero | tr '\\0' x >&2; head -c 300000 /dev/zero | tr '\\0' '\\n'; ${DONE}`,
      { env: { PATH: "/usr/bin:/bin" } },
    );
    expect(result).toMatchObject({ outcome: "ok", changed: ["055-etcd"] });
  });

  test.each([
    [0, "ok"],
    [1, "failed"],
    [4, "failed"],
    [5, "locked"],
    [130, "interrupted"],
  ] as const)("code %d: %s", async (code, outcome) => {
    const { result } = await working(`exit ${code}`);
    expect(result).toEqual({
      outcome,
      changed: [],
      problem: code === 0 ? "" : `the worker ended with code ${code}`,
    });
  });

  test("a worker that is killed has failed", async () => {
    const { result } = await working("kill -9 $$");
    expect(result).toMatchObject({ outcome: "failed", problem: "the worker ended with code 137" });
  });

  test("what went wrong is told in the program's own words, without its hint", async () => {
    const { result } = await working(
      'echo "error: of a program that it ran" >&2; echo "error: Cannot start the phase" >&2; echo "  free space" >&2; exit 1',
    );
    expect(result.problem).toBe("Cannot start the phase");
  });

  test("a program that cannot be started has failed, and nothing is thrown", async () => {
    const { result } = await working("", { program: ["/does/not/exist"] });
    expect(result.outcome).toBe("failed");
    expect(result.problem).toStartWith("Cannot run the worker: ");
  });

  test("the signal is handed on, and the worker comes to its safe point", async () => {
    const end = new AbortController();
    const script = `end() { ${DONE}; exit 130; }; trap end TERM; echo '${JSON.stringify(begin)}'; while :; do sleep 0.01; done`;
    const { result } = await working(script, {
      signal: end.signal,
      env: { PATH: "/usr/bin:/bin" },
      onLine: ({ type }) => type === "begin" && end.abort(),
    });
    expect(result).toMatchObject({ outcome: "interrupted", changed: ["055-etcd"] });
  });

  test("after the signal none is started", async () => {
    await using root = await tmpRoot();
    const { result, lines } = await working(`echo > ${root.place("ran")}; ${DONE}`, {
      signal: AbortSignal.abort(),
    });
    expect(result).toEqual({ outcome: "interrupted", changed: [], problem: "" });
    expect(lines).toEqual([]);
    expect(await root.snapshot()).toEqual({});
  });

  test("one that does not end in time is ended, and that is no interruption", async () => {
    const { result } = await working("trap 'exit 130' TERM; while :; do sleep 0.01; done", {
      deadlineMs: 100,
      env: { PATH: "/usr/bin:/bin" },
    });
    expect(result).toMatchObject({ outcome: "failed", problem: "it did not end within 0.1 s" });
  });

  test("nothing is inherited from the daemon's environment but what is given", async () => {
    process.env["NODELET_TEST_INHERITED"] = "yes";
    try {
      const { result } = await working('echo "error: [$NODELET_TEST_INHERITED] [$GIVEN]" >&2; exit 1', {
        env: { GIVEN: "given" },
      });
      expect(result.problem).toBe("[] [given]");
    } finally {
      delete process.env["NODELET_TEST_INHERITED"];
    }
  });

  test("leaves nothing on the signal of the daemon", async () => {
    const end = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = end.signal;
    end.signal.addEventListener = ((...words: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(end.signal, words);
    }) as typeof addEventListener;
    end.signal.removeEventListener = ((...words: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(end.signal, words);
    }) as typeof removeEventListener;
    await working(DONE, { signal: end.signal });
    expect(listeners).toBe(0);
  });
});
