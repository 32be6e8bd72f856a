import { describe, expect, test } from "bun:test";
import type { Task } from "../../../src/daemon/judge.ts";
import { doTask } from "../../../src/daemon/work.ts";
import type { Phase } from "../../../src/runner/phase.ts";
import { ctxWith, hearing, phase, reasonOf } from "../runner/help.ts";

/** How a phase is that can be asked. */
const status = async () => ({ state: "running" }) as const;

/** As the phases of a node, in short: certificates, one that waits for all, two beside each other, the drain. */
function node(more: Record<string, Partial<Phase>> = {}): Phase[] {
  return [
    phase("020-gen-certs", { needs: [], status, ...more["certs"] }),
    phase("055-etcd", { needs: ["020-gen-certs"], status, ...more["etcd"] }),
    phase("080-kubelet", { needs: ["020-gen-certs"], status, ...more["kubelet"] }),
    phase("090-proxy", { needs: ["080-kubelet"], status, ...more["proxy"] }),
    phase("210-drain", { onlyFullStop: true }),
  ];
}

/** What was begun, as `stop 090-proxy`. */
async function begun(task: Task, options: { phases?: Phase[]; held?: string[] } = {}) {
  const { heard, listen } = hearing();
  const { phases = node(), held = [] } = options;
  const work = doTask(ctxWith(), { task, phases, held: new Set(held), listen });
  const problem =
    (await work.then(
      () => undefined,
      (error: Error) => error.message,
    )) ?? "";
  const steps = heard.filter((text) => text.startsWith("begin ")).map((text) => text.slice("begin ".length));
  return { steps, problem };
}

describe("doTask()", () => {
  test("start: all phases, or those from one on", async () => {
    expect((await begun({ do: "start" })).steps).toEqual(node().map(({ id }) => `start ${id}`));
    expect((await begun({ do: "start", from: "090-proxy" })).steps).toEqual([
      "start 090-proxy",
      "start 210-drain",
    ]);
  });

  test("follow: only the phases that depend on the other nodes, but for those that are held", async () => {
    const follows = { followsPeers: true };
    const phases = node({ etcd: follows, proxy: follows });
    expect((await begun({ do: "follow" }, { phases })).steps).toEqual(["start 055-etcd", "start 090-proxy"]);
    expect((await begun({ do: "follow" }, { phases, held: ["090-proxy"] })).steps).toEqual([
      "start 055-etcd",
    ]);
  });

  test("restart: stops the chain from the phase on in reverse, without drain, and starts it", async () => {
    expect((await begun({ do: "restart", from: "080-kubelet" })).steps).toEqual([
      "stop 090-proxy",
      "stop 080-kubelet",
      "start 080-kubelet",
      "start 090-proxy",
      "start 210-drain",
    ]);
  });

  test("restart: starts phases before the chain that nobody can ask", async () => {
    const phases = [phase("010-unasked", { needs: [] }), ...node()];
    expect((await begun({ do: "restart", from: "090-proxy" }, { phases })).steps).toEqual([
      "stop 090-proxy",
      "start 010-unasked",
      "start 090-proxy",
      "start 210-drain",
    ]);
  });

  test.each<Task>([{ do: "full" }, { do: "restart", from: "020-gen-certs" }])(
    "%j: everything but certificates and drain is stopped, and all is started",
    async (task) => {
      const { steps } = await begun(task);
      expect(steps).toEqual([
        "stop 090-proxy",
        "stop 080-kubelet",
        "stop 055-etcd",
        ...node().map(({ id }) => `start ${id}`),
      ]);
    },
  );

  test("stop: everything with the drain first, also what is held and what needs it", async () => {
    const all = node()
      .toReversed()
      .map(({ id }) => `stop ${id}`);
    expect((await begun({ do: "stop" })).steps).toEqual(all);
    expect((await begun({ do: "stop" }, { held: ["080-kubelet"] })).steps).toEqual(all);
  });

  test.each<[Task, string[]]>([
    [{ do: "start" }, ["start 020-gen-certs", "start 055-etcd"]],
    [{ do: "full" }, ["stop 055-etcd", "start 020-gen-certs", "start 055-etcd"]],
    [{ do: "restart", from: "055-etcd" }, ["stop 055-etcd", "start 055-etcd"]],
  ])("%j leaves alone what an operator holds, and what needs it", async (task, steps) => {
    expect(await begun(task, { held: ["080-kubelet"] })).toEqual({ steps, problem: "" });
  });

  test("from a phase that is held meanwhile, it goes on with those after it that are not", async () => {
    const phases = [...node().slice(0, 3), phase("095-other", { needs: ["055-etcd"] })];
    expect(await begun({ do: "restart", from: "080-kubelet" }, { phases, held: ["080-kubelet"] })).toEqual({
      steps: ["stop 095-other", "start 095-other"],
      problem: "",
    });
  });

  test("a phase that is not there is named, and nothing is touched", async () => {
    expect(await begun({ do: "restart", from: "077-gone" })).toEqual({
      steps: [],
      problem: 'Cannot restart from the phase "077-gone": there is none',
    });
  });

  test("what does not stop is started all the same", async () => {
    const stop = () => Promise.reject(new Error("busy"));
    const { steps, problem } = await begun({ do: "full" }, { phases: node({ proxy: { stop } }) });
    expect(steps.slice(0, 3)).toEqual(["stop 090-proxy", "stop 080-kubelet", "stop 055-etcd"]);
    expect(steps.slice(3)).toEqual(node().map(({ id }) => `start ${id}`));
    expect(problem).toBe("");
  });

  test("a stop goes past what does not stop, and fails naming it", async () => {
    const stop = () => Promise.reject(new Error("busy"));
    const { steps, problem } = await begun({ do: "stop" }, { phases: node({ proxy: { stop } }) });
    expect(steps).toHaveLength(5);
    expect(problem).toBe('Cannot stop the phase "090-proxy" (Title of 090-proxy): busy');
  });

  test("says which phases changed something, and names the one that does not start", async () => {
    const start = async () => "changed" as const;
    const changing = node({ etcd: { start } });
    const options = { task: { do: "start" } as const, held: new Set<string>(), listen() {} };
    expect(await doTask(ctxWith(), { ...options, phases: changing })).toEqual({
      changed: ["055-etcd"],
      failures: [],
    });
    const broken = node({ etcd: { start: () => Promise.reject(new Error("no disk")) } });
    const reason = await reasonOf(doTask(ctxWith(), { ...options, phases: broken }));
    expect(reason.message).toBe('Cannot start the phase "055-etcd" (Title of 055-etcd): no disk');
  });
});
