import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { endOrphans, findOrphans } from "../../../src/docker/orphans.ts";
import { Journal } from "../../../src/host/journal.ts";
import { container } from "../../fake/docker.ts";
import { attachedHost } from "../../fake/host.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const TASKS = "/run/containerd/io.containerd.runtime.v2.task/moby";
const pod = { mounts: [{ source: "proc" }], linux: { cgroupsPath: "/kubepods/burstable/pod1/x" } };
const ours = { mounts: [{ source: "proc" }, { source: "/etc/pf9/kube.d/certs/etcd" }] };
const foreign = { mounts: [{ source: "/srv/data" }], linux: { cgroupsPath: "/docker/x" } };

/** A host on which containers can run. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const put = async (path: string, text: string) => {
    await mkdir(dirname(root.place(path)), { recursive: true });
    await Bun.write(root.place(path), text);
  };
  return {
    docker: machine.docker,
    host: attachedHost(machine, { journal: new Journal(machine) }),
    async runs(id: string, task: { pid: number; config: object; ended?: boolean }) {
      await put(`${TASKS}/${id}/init.pid`, String(task.pid));
      await put(`${TASKS}/${id}/config.json`, JSON.stringify(task.config));
      if (!task.ended) await put(`/proc/${task.pid}/stat`, "");
    },
    async [Symbol.asyncDispose]() {
      machine[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

test("what the engine has lost is found: containers of ours and of pods, and nobody else's", async () => {
  await using t = await setUp();
  await t.runs("etcd", { pid: 11, config: ours });
  await t.runs("pause", { pid: 12, config: pod });
  await t.runs("foreign", { pid: 13, config: foreign });
  await t.runs("ended", { pid: 14, config: ours, ended: true });
  await t.runs("known", { pid: 15, config: ours });
  t.docker.containers.set("proxy", container("proxy", { id: "known" }));
  expect(await findOrphans(t.host)).toEqual([
    { id: "etcd", pid: 11 },
    { id: "pause", pid: 12 },
  ]);
});

test("a task that is just being made or taken away is none", async () => {
  await using t = await setUp();
  await mkdir(t.host.place(`${TASKS}/new`), { recursive: true });
  expect(await findOrphans(t.host)).toEqual([]);
});

test("those that are found are ended; without an engine nobody knows which those are", async () => {
  await using t = await setUp();
  await t.runs("etcd", { pid: 11, config: ours });
  const killed: number[] = [];
  const kill = (pid: number) => void killed.push(pid);
  t.docker.up = false;
  expect(await endOrphans(t.host, kill)).toEqual([]);
  expect(killed).toEqual([]);
  t.docker.up = true;
  expect(await endOrphans(t.host, kill)).toHaveLength(1);
  expect(killed).toEqual([11]);
});
