import { describe, expect, test } from "bun:test";
import { AppError } from "../../../src/errors.ts";
import { revive } from "../../../src/kube/revive.ts";
import { type World, world } from "../../fake/ctx.ts";

const POD = "k8s-master-n1";

/** One container of the pod, by how long ago it ended and how long it had run before, in seconds. */
interface Ended {
  ago: number;
  ran?: number;
  restarts?: number;
  running?: boolean;
}

async function ended(...containers: Ended[]): Promise<World> {
  const w = await world();
  for (const [at, { ago, ran = 60, restarts = 0, running = false }] of containers.entries()) {
    const id = `c${at}`;
    const finishedAt = w.clock.now() - ago * 1000;
    w.machine.docker.containers.set(id, {
      ...{ id, name: id, imageId: "", running, status: "", exitCode: 137, pid: 0 },
      startedAt: finishedAt - ran * 1000,
      finishedAt,
      labels: {
        "io.kubernetes.docker.type": "container",
        "io.kubernetes.pod.name": POD,
        "io.kubernetes.pod.namespace": "kube-system",
        "io.kubernetes.container.name": "kube-apiserver",
        "annotation.io.kubernetes.container.restartCount": String(restarts),
      },
    });
  }
  return w;
}

const runs = (w: World) =>
  [...w.machine.docker.containers.values()].filter(({ running }) => running).map(({ id }) => id);

describe("revive()", () => {
  test("starts a container that has ended and that the kubelet leaves lying", async () => {
    await using w = await ended({ ago: 5 });
    await revive(w.ctx, POD);
    expect(runs(w)).toEqual(["c0"]);
    expect(w.logged).toEqual(["started the container c0, which had ended, without waiting for the kubelet"]);
  });

  test.each([
    { name: "the kubelet may be about to start anew", ago: 2 },
    { name: "the kubelet's pause may be over for", ago: 9 },
    { name: "fails again and again", ago: 5, ran: 3 },
  ])("leaves a container alone that $name", async ({ name: _, ...one }) => {
    await using w = await ended(one);
    await revive(w.ctx, POD);
    expect(runs(w)).toEqual([]);
  });

  test("is content when Docker cannot start one, whose pod the kubelet makes anew", async () => {
    await using w = await ended({ ago: 5 });
    w.machine.docker.start = async () => {
      throw new AppError('Cannot start the container "c0": Docker says: cannot join network');
    };
    await revive(w.ctx, POD);
    expect(w.logged).toEqual([
      'did not start the container c0: Cannot start the container "c0": Docker says: cannot join network',
    ]);
  });

  test("an older container is not started beside a newer one", async () => {
    await using w = await ended({ ago: 5, restarts: 1 }, { ago: 5, restarts: 2, running: true });
    await revive(w.ctx, POD);
    expect(runs(w)).toEqual(["c1"]);
  });
});
