import { describe, expect, test } from "bun:test";
import { systemProbe } from "../../../src/preflight/system-probe.ts";
import type { Host } from "../../../src/host/host.ts";
import { config, lines, preflight } from "./fakes.ts";

const VIP = "10.88.0.99";
const withVip = (more: object = {}) => config({ masterVip: VIP, masterVipInterface: "eth0", ...more });
const found = async (...args: Parameters<typeof preflight>) =>
  lines((await preflight(...args)).errors).filter((line) => line.startsWith("Vip"));

describe("preflight of a master with masterVip", () => {
  test("passes with an interface that is there and an address that nobody has", async () => {
    expect(await found({}, { config: withVip() })).toEqual([]);
  });

  test("names an interface that is not there, and those that are", async () => {
    expect(await found({}, { config: withVip({ masterVipInterface: "eth7" }) })).toEqual([
      "VipInterfaceMissing: The interface eth7 of masterVip is not on this host; expected one of its interfaces: eth0 => set --master-vip-interface to the one in the network of the masters",
    ]);
  });

  test("names an address that another host has", async () => {
    expect(await found({ answering: [VIP] }, { config: withVip() })).toEqual([
      "VipInUse: The address 10.88.0.99 of masterVip is in use by another host, which answers there; expected a free one in the network of the masters => set --master-vip to an address that nobody has",
    ]);
  });

  test("names the node's own address", async () => {
    const [line] = await found({}, { config: withVip({ masterVip: "10.88.0.11" }) });
    expect(line).toStartWith(
      "VipInUse: The address 10.88.0.11 of masterVip is on eth0 of this host, as the node's own address; ",
    );
  });

  test.each([
    ["is a node already", { installed: true }],
    ["joins a cluster", { joining: true }],
  ])("takes an address in use where the host %s", async (_, plan) => {
    expect(await found({ answering: [VIP] }, { config: withVip(), ...plan })).toEqual([]);
  });

  test("does not ask a worker", async () => {
    const worker = withVip({ role: "worker", masterVipInterface: "eth7" });
    expect(await found({ answering: [VIP] }, { config: worker })).toEqual([]);
  });
});

test("somebody who accepts a connection has the address; a refusal counts only of a neighbour", async () => {
  const probe = systemProbe({ place: (path: string) => path } as Host);
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  expect(await probe.answers("127.0.0.1", port)).toBe(true);
  server.stop(true);
  // Loopback has no hardware addresses: what refuses here is what the runtime makes of an address that nobody has.
  expect(await probe.answers("127.0.0.1", port)).toBe(false);
});
