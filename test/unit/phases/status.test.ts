import { describe, expect, test } from "bun:test";
import { dockerStart } from "../../../phases/045-docker-start.ts";
import { loadImages } from "../../../phases/048-load-images.ts";
import { etcdRun } from "../../../phases/055-etcd-run.ts";
import { loadBalancer } from "../../../phases/057-load-balancer.ts";
import { networkConfigure } from "../../../phases/060-network-configure.ts";
import { kubeletConfigureStart } from "../../../phases/080-kubelet-configure-start.ts";
import { kubeProxyStart } from "../../../phases/090-kube-proxy-start.ts";
import { paths } from "../../../src/paths.ts";
import { peersText } from "../../../src/peers.ts";
import { world } from "../../fake/ctx.ts";
import { fakeFetch } from "../../fake/fetch.ts";
import { furnish } from "./help.ts";

/** An etcd that answers as a healthy one with these members. */
const etcdWith = (members: object[]) => (url: string) =>
  url.endsWith("/health") ? Response.json({ health: "true" }) : Response.json({ members });

async function furnished() {
  const w = await world();
  await furnish(w);
  return w;
}

describe("status of etcd", () => {
  test.each([
    ["a healthy member", etcdWith([{ ID: "1", name: "n1", peerURLs: [] }]), { state: "running" }],
    [
      "a member that has not started",
      etcdWith([{ ID: "1", peerURLs: [] }]),
      { state: "failed", message: '0/1 members started; "n1" is not among them', passing: true },
    ],
    [
      "no leader",
      () => Response.json({ health: "false" }),
      { state: "failed", message: "etcd answers, but has no leader", passing: true },
    ],
    [
      "no answer",
      () => undefined,
      { state: "failed", message: "etcd does not answer on port 2379 (ConnectionRefused)", passing: true },
    ],
  ])("with %s", async (_, answer, expected) => {
    await using w = await furnished();
    await etcdRun.start(w.ctx);
    using _net = fakeFetch(answer as (url: string) => Response | undefined);
    expect(await etcdRun.status?.(w.ctx)).toEqual(expected as never);
  });
});

describe.each([
  { phase: etcdRun, name: "etcd" },
  { phase: loadBalancer, name: "balancer" },
  { phase: kubeProxyStart, name: "proxy" },
])("status of the container $name", ({ phase, name }) => {
  test("that is not there is stopped, that ended is failed", async () => {
    await using w = await furnished();
    expect(await phase.status?.(w.ctx)).toEqual({
      state: "stopped",
      message: `there is no container ${name}`,
    });
    await phase.start(w.ctx);
    await w.machine.docker.stop(name, 1);
    expect(await phase.status?.(w.ctx)).toEqual({
      state: "failed",
      message: `the container ${name} is exited (0)`,
    });
  });
});

test("etcd: a member that waits for too many others has its trouble elsewhere, one alone has it here", async () => {
  await using w = await furnished();
  await etcdRun.start(w.ctx);
  using _net = fakeFetch((url) =>
    url.endsWith("/health")
      ? Response.json({ health: "false" }, { status: 503 })
      : Response.json({ header: { member_id: "1" }, leader: "0" }),
  );
  const failed = { state: "failed", message: "etcd answers 503 on /health", passing: true } as const;
  expect(await etcdRun.status?.(w.ctx)).toEqual(failed);
  await w.root.write(paths.peers, peersText([{ name: "n2", ip: "10.0.0.6", master: true }]));
  expect(await etcdRun.status?.(w.ctx)).toEqual({ ...failed, elsewhere: true });
});

test("the network: what is missing while the node's own network is away has its cause elsewhere", async () => {
  await using w = await furnished();
  await w.root.write("/proc/net/route", "Iface\tDestination\n");
  expect(await networkConfigure.status?.(w.ctx)).toMatchObject({ state: "failed", elsewhere: true });
  // 10.0.0.0/24 is the network of n1, 10.0.0.5.
  await w.root.write(
    "/proc/net/route",
    "Iface\tDestination\neth0\t0000000A\t00000000\t1\t0\t0\t0\t00FFFFFF\n",
  );
  const found = await networkConfigure.status?.(w.ctx);
  expect(found).toMatchObject({ state: "failed" });
  expect(found).not.toHaveProperty("elsewhere");
});

test("the kubelet: unit first, then its health", async () => {
  await using w = await furnished();
  expect(await kubeletConfigureStart.status?.(w.ctx)).toMatchObject({ state: "stopped" });
  await kubeletConfigureStart.start(w.ctx);
  {
    using _net = fakeFetch(() => undefined);
    expect(await kubeletConfigureStart.status?.(w.ctx)).toMatchObject({ state: "failed" });
  }
  using net = fakeFetch(() => new Response("ok"));
  expect(await kubeletConfigureStart.status?.(w.ctx)).toEqual({ state: "running" });
  expect(net.asked).toEqual(["http://127.0.0.1:10248/healthz"]);
});

test("images: each that is missing, or is another one under its name", async () => {
  await using w = await furnished();
  await loadImages.start(w.ctx);
  expect(await loadImages.status?.(w.ctx)).toEqual({ state: "running" });
  w.machine.docker.references.set("nodelet.local/etcd:v1", w.bundle.image("pause").imageId);
  expect(await loadImages.status?.(w.ctx)).toEqual({
    state: "failed",
    message: "missing: nodelet.local/etcd:v1",
  });
});

test("images: a worker has those of the control plane neither loaded nor missing", async () => {
  await using w = await world({ config: { role: "worker", masterIp: "10.0.0.4" } });
  await furnish(w);
  await loadImages.start(w.ctx);
  expect(await loadImages.status?.(w.ctx)).toEqual({ state: "running" });
  expect([...w.machine.docker.references.keys()].sort()).toEqual([
    "nodelet.local/haproxy:v1",
    "nodelet.local/kube-proxy:v1",
    "nodelet.local/pause:v1",
  ]);
});

test("kernel settings: what differs, with both values", async () => {
  await using w = await furnished();
  expect((await networkConfigure.status?.(w.ctx))?.message).toStartWith(
    "net.ipv4.ip_forward is 7; expected 1; ",
  );
});

test("Docker: whether it answers", async () => {
  await using w = await furnished();
  expect(await dockerStart.status?.(w.ctx)).toEqual({ state: "running" });
  w.machine.docker.up = false;
  expect(await dockerStart.status?.(w.ctx)).toMatchObject({ state: "stopped" });
});

test("the load balancer: its port, and whether it has the masters of the cluster", async () => {
  using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  await using w = await world({ config: { balancerPort: server.port } });
  await furnish(w);
  w.machine.docker.ends.set("balancer-check", 0);
  await loadBalancer.start(w.ctx);
  expect(await loadBalancer.status?.(w.ctx)).toEqual({ state: "running" });
  await w.root.write(paths.peers, peersText([{ name: "n2", ip: "10.0.0.6", master: true }]));
  expect(await loadBalancer.status?.(w.ctx)).toEqual({
    state: "failed",
    message: "the load balancer does not have the masters of the cluster",
  });
  await loadBalancer.start(w.ctx);
  expect(await loadBalancer.status?.(w.ctx)).toEqual({ state: "running" });
  expect(await w.root.read(`${paths.balancer}/haproxy.cfg`)).toContain("  server n2 10.0.0.6:6443\n");
  server.stop(true);
  expect(await loadBalancer.status?.(w.ctx)).toEqual({
    state: "failed",
    message: `nobody listens on 127.0.0.1:${w.ctx.config.balancerPort}`,
  });
});
