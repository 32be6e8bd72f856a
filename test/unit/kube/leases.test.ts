import { describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import { releaseStaleLeases } from "../../../src/kube/leases.ts";
import { type World, world } from "../../fake/ctx.ts";

const LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler";
const RENEWED = Date.UTC(2026, 0, 1, 12);

/** A scheduler of this host that was started some seconds after its lease was renewed, and the lease. */
async function scheduler(options: {
  startedAfter: number;
  holder?: string;
  running?: boolean;
}): Promise<World> {
  const w = await world();
  const { startedAfter, holder = `${hostname()}_1`, running = true } = options;
  await w.kube.apply(LEASE, {
    metadata: { name: "kube-scheduler" },
    spec: { holderIdentity: holder, renewTime: new Date(RENEWED).toISOString() },
  });
  w.machine.docker.containers.set("s", {
    id: "s",
    name: "s",
    imageId: "",
    running,
    status: "",
    exitCode: 0,
    pid: 1,
    startedAt: RENEWED + startedAfter * 1000,
    finishedAt: 0,
    labels: {
      "io.kubernetes.container.name": "kube-scheduler",
      "io.kubernetes.pod.namespace": "kube-system",
    },
  });
  w.kube.answer = () => ({ status: 200, body: { metadata: { name: "" } } });
  return w;
}

const patches = (w: World) => w.kube.calls.filter((call) => call.startsWith("PATCH"));

describe("releaseStaleLeases()", () => {
  test("lets go of a lease that was not renewed since its holder was started anew", async () => {
    await using w = await scheduler({ startedAfter: 1 });
    await releaseStaleLeases(w.ctx);
    expect(patches(w)).toEqual([`PATCH ${LEASE}`]);
    expect(w.logged).toEqual([
      `released the lease kube-scheduler of ${hostname()}_1, which does not run any more`,
    ]);
  });

  test.each([
    { name: "was renewed by the process that runs", startedAfter: -1 },
    { name: "is held on another host", startedAfter: 1, holder: "other_1" },
    { name: "belongs to a component that does not run yet", startedAfter: 1, running: false },
    { name: "is held by nobody", startedAfter: 1, holder: "" },
  ])("leaves a lease alone that $name", async ({ name: _, ...options }) => {
    await using w = await scheduler(options);
    await releaseStaleLeases(w.ctx);
    expect(patches(w)).toEqual([]);
  });
});
