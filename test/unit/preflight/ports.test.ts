import { describe, expect, test } from "bun:test";
import { parseSockets } from "../../../src/preflight/listeners.ts";
import { config, container, idOf, lines, type Overrides, preflight } from "./fakes.ts";

const inContainer = (name: string) => `0::/docker/${idOf(name)}\n`;

describe("ports", () => {
  test.each<[string, NonNullable<Overrides["listeners"]>[number], string]>([
    [
      "a unit",
      { port: 2380, process: "etcd", cgroup: "0::/system.slice/etcd.service\n" },
      "Port 2380 (etcd peer) is held by pid 812 (etcd) => stop it (systemctl stop etcd.service), or set --etcd-peer-port",
    ],
    [
      "a program",
      { port: 6443 },
      "Port 6443 (API server) is held by pid 812 (nginx) => stop it (kill 812), or set --api-port",
    ],
    [
      "a fixed port",
      { port: 10250 },
      "Port 10250 (kubelet) is held by pid 812 (nginx) => stop it (kill 812)",
    ],
    [
      "a container",
      { port: 2381, cgroup: inContainer("web") },
      `Port 2381 (etcd metrics) is held by pid 812 (nginx) => stop it (docker stop ${idOf("web").slice(0, 12)})`,
    ],
    [
      "somebody unseen",
      { port: 10259, address: "::", pid: undefined },
      "Port 10259 (scheduler) is held by a process that cannot be seen from here => stop it",
    ],
    [
      "a program that takes packets",
      { port: 8472, protocol: "udp" },
      "UDP port 8472 (pod network between nodes) is held by pid 812 (nginx) => stop it (kill 812), or set --pod-network-backend to host-gw where all nodes are on one network",
    ],
  ])("names %s that holds one", async (_name, listener, line) => {
    const { errors } = await preflight({ listeners: [listener] });
    expect(lines(errors)).toEqual([`PortInUse: ${line}`]);
  });

  test.each([2379, 2380, 2381, 6443, 10248, 10249, 10250, 10256, 10257, 10259])("checks %d", async (port) => {
    expect((await preflight({ listeners: [{ port }] })).errors.map(({ code }) => code)).toEqual([
      "PortInUse",
    ]);
  });

  test("names a process once that listens for both families", async () => {
    const { errors } = await preflight({ listeners: [{ port: 6443 }, { port: 6443, address: "::" }] });
    expect(errors).toHaveLength(1);
  });

  test("takes the other protocol's ports, and those of tunnels that nobody needs", async () => {
    const listeners = [{ port: 6443, protocol: "udp" as const }, { port: 8472 }];
    expect((await preflight({ listeners })).errors).toEqual([]);
    const tunnel = { listeners: [{ port: 8472, protocol: "udp" as const }] };
    expect((await preflight(tunnel, { config: config({ podNetworkBackend: "host-gw" }) })).errors).toEqual(
      [],
    );
    expect((await preflight(tunnel, { config: config({ networkPlugin: "noop" }) })).errors).toEqual([]);
  });

  test("takes a listener on an address that the node does not use", async () => {
    const listeners = [
      { port: 2380, address: "172.17.0.1" },
      { port: 2381, address: "10.88.0.11" },
    ];
    expect((await preflight({ listeners })).errors).toEqual([]);
  });

  test("asks a worker for a worker's ports only", async () => {
    const listeners = [{ port: 2379 }, { port: 6443 }, { port: 10250 }];
    const { errors } = await preflight({ listeners }, { config: config({ role: "worker" }) });
    expect(errors.map(({ message }) => message)).toEqual(["Port 10250 (kubelet) is held by pid 812 (nginx)"]);
  });

  const own = [
    { port: 2379, process: "etcd", cgroup: inContainer("etcd") },
    { port: 6443, process: "kube-apiserver", cgroup: inContainer("k8s_apiserver") },
    { port: 10257, process: "kube-controller", cgroup: inContainer("k8s_cm") },
    { port: 10249, process: "kube-proxy", cgroup: inContainer("proxy") },
    { port: 10250, process: "kubelet", cgroup: "0::/system.slice/pf9-kubelet.service\n" },
  ];
  const labels = { "io.pf9.nodelet.spec": "abc" };
  const containers = [
    container("etcd", { labels }),
    container("proxy", { labels }),
    container("k8s_apiserver"),
    container("k8s_cm"),
  ];

  test("takes its own processes on an installed node", async () => {
    expect((await preflight({ listeners: own, engine: { containers } }, { installed: true })).errors).toEqual(
      [],
    );
  });

  test("takes its own processes while the engine is down", async () => {
    expect((await preflight({ listeners: own, engine: "none" }, { installed: true })).errors).toEqual([]);
  });

  test("refuses the etcd of somebody else on an installed node", async () => {
    const listeners = [
      { port: 2379, process: "etcd", cgroup: "0::/system.slice/etcd.service\n" },
      { port: 6443, process: "docker-proxy" },
    ];
    const { errors } = await preflight({ listeners, engine: { containers } }, { installed: true });
    expect(errors.map(({ message }) => message)).toEqual([
      "Port 6443 (API server) is held by pid 812 (docker-proxy)",
      "Port 2379 (etcd clients) is held by pid 812 (etcd)",
    ]);
  });
});

describe("parseSockets()", () => {
  const row = (address: string, state: string) =>
    `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 288 1 0 100`;

  test.each([
    ["0100007F:094B", "127.0.0.1"],
    ["0B00580A:094B", "10.88.0.11"],
    ["00000000000000000000000000000000:094B", "::"],
    ["00000000000000000000000001000000:094B", "::1"],
    ["0000000000000000FFFF00000100007F:094B", "127.0.0.1"],
    ["B80D0120000000000000000001000000:094B", "2001:db8::1"],
  ])("reads %s", (text, address) => {
    expect(parseSockets(`head\n${row(text, "0A")}\n`, { ports: [2379], protocol: "tcp" })).toEqual([
      { protocol: "tcp", port: 2379, address, inode: "288" },
    ]);
  });

  test("reads who takes packets from anybody, and not who talks to one", () => {
    const text = `head\n${row("0100007F:2118", "07")}\n${row("0100007F:2118", "01")}\n`;
    expect(parseSockets(text, { ports: [8472], protocol: "udp" })).toEqual([
      { protocol: "udp", port: 8472, address: "127.0.0.1", inode: "288" },
    ]);
  });

  test("leaves out connections and other ports", () => {
    expect(
      parseSockets(`head\n${row("0100007F:094B", "01")}\n${row("0100007F:094C", "0A")}\n`, {
        ports: [2379],
        protocol: "tcp",
      }),
    ).toEqual([]);
  });
});
