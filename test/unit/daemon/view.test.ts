import { describe, expect, spyOn, test } from "bun:test";
import { release } from "node:os";
import { firstToEnd } from "../../../src/daemon/facts.ts";
import type { Pass } from "../../../src/daemon/pass.ts";
import { viewSource } from "../../../src/daemon/view.ts";
import { paths } from "../../../src/paths.ts";
import { type World, world } from "../../fake/ctx.ts";
import { fakeFetch } from "../../fake/fetch.ts";
import { phase } from "../runner/help.ts";
import { check, health } from "./view-help.ts";

const PASS: Pass = {
  checks: [check("055-etcd-run", { ms: 12.3456 })],
  drift: [{ kind: "container", key: "etcd" }],
  alone: new Set(["090-kube-proxy-start"]),
  ms: 84.56,
};

/** What a view is made of, for a world; `daemon.pass` may be set anew. */
function partsOf({ ctx, machine }: World, pass?: Pass) {
  return {
    machine,
    daemon: { pass, task: "attempt 1", tasks: { ok: 3, failed: 1 } },
    report: { health: health({ pf9_kube_start_attempt: 1 }) },
    desired: { node: { ctx, phases: [phase("055-etcd-run")] }, problems: ["apiPort: wrong"] },
    version: "1.2.3",
    startedAt: 5,
  };
}

/** An etcd with one member; `dbSize` is left out as its gateway leaves out what is 0. */
const etcd = (url: string) => {
  const answers: Record<string, object> = {
    "/health": { health: "true" },
    "/v3/cluster/member/list": {
      members: [{ ID: "1", name: "n1" }, { ID: "2" }],
    },
    "/v3/maintenance/status": { version: "3.4.23", dbSize: "2048" },
  };
  return Response.json(answers[new URL(url).pathname] ?? {});
};

describe("what the daemon knows", () => {
  test("before the first look", () => {
    const parts = { daemon: { pass: undefined, task: "", tasks: { ok: 0, failed: 0 } } };
    const source = viewSource({
      ...parts,
      machine: { root: "/nowhere" } as never,
      report: { health: health() },
      desired: { node: undefined, problems: ["role: missing"] },
      version: "1.2.3",
      startedAt: 5,
    });
    expect(source.now()).toMatchObject({
      node: undefined,
      desired: "",
      configProblems: ["role: missing"],
      phases: [],
      checks: [],
      held: [],
      passMs: undefined,
    });
  });

  test("after a look", async () => {
    await using w = await world();
    expect(viewSource(partsOf(w, PASS)).now()).toEqual({
      health: health({ pf9_kube_start_attempt: 1 }),
      node: { name: "n1", ip: "10.0.0.5", role: "master", clusterId: "c-1" },
      desired: "true",
      configProblems: ["apiPort: wrong"],
      phases: [{ id: "055-etcd-run", title: "Title of 055-etcd-run" }],
      checks: [check("055-etcd-run", { ms: 12.3 })],
      held: ["090-kube-proxy-start"],
      drift: [{ kind: "container", key: "etcd" }],
      passMs: 84.6,
      task: "attempt 1",
      tasks: { ok: 3, failed: 1 },
      startedAt: 5,
      version: "1.2.3",
    });
  });
});

describe("the whole view", () => {
  test("has certificates, versions, etcd and the last events", async () => {
    await using w = await world();
    for (const name of ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"])
      await w.root.write(`${paths.certs}/etcd/${name}`, name);
    await w.root.write(paths.events, JSON.stringify([{ at: "2026-01-01T00:00:00Z", what: "node is ok" }]));
    using _etcd = fakeFetch(etcd);
    const view = await viewSource(partsOf(w, PASS)).view();
    expect(view.certificates[0]).toMatchObject({ name: "ca", status: "missing" });
    expect(view.versions).toEqual({
      nodelet: "1.2.3",
      kubernetes: "v1.20.2",
      etcd: "v1.20.2",
      pause: "v1.20.2",
      cni: "v1.20.2",
      docker: "20.10.24",
      kernel: release(),
    });
    expect(view.etcd).toEqual({
      up: true,
      version: "3.4.23",
      members: 2,
      started: 1,
      dbSize: 2048,
      dbSizeInUse: 0,
    });
    expect(view.events).toEqual([{ at: "2026-01-01T00:00:00Z", what: "node is ok" }]);
  });

  test("asks for what costs something once in a look", async () => {
    await using w = await world();
    let asked = 0;
    const info = w.machine.docker.info;
    w.machine.docker.info = async () => {
      asked += 1;
      return await info();
    };
    const parts = partsOf(w, PASS);
    const source = viewSource(parts);
    await Promise.all([source.view(), source.view()]);
    parts.daemon.task = "attempt 2";
    expect((await source.view()).task).toBe("attempt 2");
    expect(asked).toBe(1);
    parts.daemon.pass = { ...PASS };
    await source.view();
    expect(asked).toBe(2);
  });

  test("of a node where nothing answers says so", async () => {
    await using w = await world();
    w.machine.docker.up = false;
    const { versions, etcd } = await viewSource(partsOf(w, PASS)).view();
    expect(versions["docker"]).toBeUndefined();
    expect(etcd).toEqual({
      up: false,
      missing: expect.stringMatching(/^Cannot read .*there is no such file$/),
    });
  });

  test("does not wait for an engine that is stuck", async () => {
    await using w = await world();
    w.machine.docker.info = () => new Promise(() => {});
    using _late = spyOn(Bun, "sleep").mockResolvedValue(undefined);
    expect((await viewSource(partsOf(w, PASS)).view()).versions["docker"]).toBeUndefined();
  });

  test("etcd is none of a worker's matters", async () => {
    await using w = await world({ config: { role: "worker", masterIp: "10.0.0.4" } });
    expect((await viewSource(partsOf(w, PASS)).view()).etcd).toBeUndefined();
  });
});

describe("firstToEnd()", () => {
  const certificate = (name: string, notAfter: string | undefined) =>
    ({ name, notAfter, daysLeft: 1, status: "ok" }) as const;

  test("is that with the least time left; one that is missing has none", () => {
    const all = [
      certificate("a", undefined),
      certificate("b", "2030-01-01T00:00:00Z"),
      certificate("c", "2029-12-31T23:59:59Z"),
    ];
    expect(firstToEnd(all)?.name).toBe("c");
    expect(firstToEnd([certificate("a", undefined)])).toBeUndefined();
  });
});
