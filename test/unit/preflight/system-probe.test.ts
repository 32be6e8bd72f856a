import { afterEach, expect, test } from "bun:test";
import type { Host } from "../../../src/host/host.ts";
import { run } from "../../../src/host/run.ts";
import { findListeners } from "../../../src/preflight/listeners.ts";
import { isNeighbour } from "../../../src/host/answered.ts";
import { parseUnits, systemProbe } from "../../../src/preflight/system-probe.ts";
import { runPreflight } from "../../../src/preflight/preflight.ts";
import { bundle, config } from "./fakes.ts";

// The probe asks of a host only these two.
const host = { place: (path: string) => path, run } as unknown as Host;

const servers: { stop(force: boolean): unknown }[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.stop(true)));

test("the real probe looks at this machine", async () => {
  const probe = systemProbe(host);
  const address = probe.addresses().find(({ internal }) => !internal)?.address ?? "127.0.0.1";
  const node = {
    name: "n1",
    ip: address,
    interface: undefined,
    masterIp: address,
    clusterId: "c1",
    apiServiceIp: "10.21.0.1",
    dnsIp: "10.21.0.10",
    podCidr: "10.20.0.0/24",
    server: "https://127.0.0.1:6443",
    balancer: "https://127.0.0.1:6444",
    joined: false,
    platform: "linux/amd64",
    runtime: "host" as const,
  };
  const { errors, warnings } = await runPreflight({
    config: config(),
    node,
    bundle: bundle(),
    probe,
    installed: false,
  });
  expect([...errors, ...warnings].map(({ code }) => code)).not.toContain("NodeIpMissing");
  expect(await probe.readText("/nowhere")).toBeUndefined();
  expect(await probe.list("/nowhere")).toEqual([]);
  expect(await probe.fileSize("/nowhere")).toBeUndefined();
  expect((await probe.space("/nowhere/at/all"))?.freeBytes).toBeGreaterThan(0);
}, 2000);

test("a listener is found with its process", () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  servers.push(server);
  const found = findListeners([server.port], { proc: "/proc" });
  expect(found).toMatchObject([{ port: server.port, address: "127.0.0.1", pid: process.pid }]);
  expect(found[0]?.process).not.toBe("");
});

test("a program that takes packets is found, and one at the same port of the other protocol", async () => {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
  servers.push({ stop: () => socket.close() });
  const found = findListeners([socket.port], { proc: "/proc" });
  expect(found).toMatchObject([
    { protocol: "udp", port: socket.port, address: "127.0.0.1", pid: process.pid },
  ]);
});

test("parseUnits() reads what systemctl shows of several units", () => {
  const text = `MainPID=500
ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// --live-restore ; ignore_errors=no ; pid=0 }
Id=docker.service
LoadState=loaded
ActiveState=active

MainPID=0
Id=k3s.service
LoadState=not-found
ActiveState=inactive
`;
  expect(parseUnits(text, ["docker.service", "k3s.service"])).toEqual([
    {
      name: "docker.service",
      load: "loaded",
      active: true,
      mainPid: 500,
      command: "/usr/sbin/dockerd -H fd:// --live-restore",
    },
    { name: "k3s.service", load: "not-found", active: false, mainPid: 0, command: "" },
  ]);
});

test("only who has told its hardware address is a neighbour", () => {
  const arp = `IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         02:42:0a:00:00:01     *        eth0
10.0.0.9         0x1         0x0         00:00:00:00:00:00     *        eth0
`;
  expect(["10.0.0.1", "10.0.0.9", "10.0.0.8"].map((address) => isNeighbour(arp, address))).toEqual([
    true,
    false,
    false,
  ]);
});
