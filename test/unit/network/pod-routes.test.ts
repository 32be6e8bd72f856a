import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import type { Route } from "../../../src/host/routes.ts";
import { macOf, podRoutes, type PodRoutesInput } from "../../../src/network/pod-routes.ts";
import { nodeFacts } from "../../../src/node-facts.ts";
import type { Peer } from "../../../src/peers.ts";

const peer = (name: string, ip: string, podCidr?: string): Peer => ({
  name,
  ip,
  ...(podCidr !== undefined && { podCidr }),
  master: false,
});
const near = peer("w1", "10.0.0.6", "10.20.1.0/24");
const far = peer("w2", "10.7.0.7", "10.20.2.0/24");

const HOST_ROUTES: Route[] = [
  { interface: "eth0", cidr: "0.0.0.0/0", gateway: "10.0.0.1" },
  { interface: "eth0", cidr: "10.0.0.0/24" },
  { interface: "eth1", cidr: "10.8.0.0/24" },
];

/** A plan for n1 at 10.0.0.5 on eth0, whose pods are in 10.20.0.0/24. */
function plan(
  peers: readonly Peer[],
  more: { backend?: string; joined?: boolean; isDown?: boolean } & Partial<PodRoutesInput> = {},
) {
  const { backend = "auto", joined = false, isDown = false, ...rest } = more;
  const config = loadConfig({ flags: { nodeName: "n1", nodeIp: "10.0.0.5", podNetworkBackend: backend } });
  const addresses = isDown ? [] : [{ interface: "eth0", address: "10.0.0.5", internal: false }];
  const names = { hostname: "n1", addresses, defaultInterface: "eth0", hasDocker: true };
  const node = nodeFacts(config, { names, clusterId: "c", bringsRuntime: true, recorded: { joined } });
  return podRoutes({ config, node, peers, hostRoutes: HOST_ROUTES, mtu: 1500, ...rest });
}

const straight = { destination: "10.20.1.0/24", via: "10.0.0.6", interface: "eth0", source: "10.0.0.5" };
const tunnelled = {
  destination: "10.20.2.0/24",
  via: "10.20.2.0",
  interface: "pf9-vxlan",
  source: "10.20.0.0",
  tunnel: { from: "10.0.0.5", to: "10.7.0.7" },
};

describe("podRoutes()", () => {
  test("auto: straight to a node on the same network, through the tunnel to any other", () => {
    expect(plan([near, far])).toEqual({
      routes: [straight, tunnelled],
      tunnel: {
        port: 8472,
        mac: "0a:f9:0a:00:00:05",
        mtu: 1450,
        address: "10.20.0.0",
        neighbours: [{ address: "10.20.2.0", mac: "0a:f9:0a:07:00:07" }],
      },
      left: [],
    });
  });

  test("auto: without a node on another network there is no tunnel", () => {
    expect(plan([near])).toEqual({ routes: [straight], tunnel: undefined, left: [] });
  });

  const router = { interface: "eth0", cidr: "10.0.0.6/32", gateway: "10.0.0.1" };
  test.each([
    ["on another interface than the node's", peer("w", "10.8.0.9", "10.20.1.0/24"), HOST_ROUTES],
    ["behind a router that is for it alone", near, [router, ...HOST_ROUTES]],
    ["that no route leads to", near, []],
  ])("auto: a node %s is reached through the tunnel", (_, one, hostRoutes) => {
    expect(plan([one], { hostRoutes }).routes.map(({ interface: dev }) => dev)).toEqual(["pf9-vxlan"]);
  });

  test("vxlan: through the tunnel to every node", () => {
    const { routes, tunnel } = plan([near, far], { backend: "vxlan" });
    expect(routes.map(({ tunnel: ends }) => ends?.to)).toEqual(["10.0.0.6", "10.7.0.7"]);
    expect(tunnel?.neighbours).toHaveLength(2);
  });

  test("host-gw: nodes that were there first go on without one on another network", () => {
    const all = plan([near, far], { backend: "host-gw" });
    expect(all).toEqual({
      routes: [straight],
      tunnel: undefined,
      left: ["w2: it is not on the network of eth0"],
    });
    expect(plan([far], { backend: "host-gw" }).left).toHaveLength(1);
    expect(plan([near, far], { backend: "host-gw", joined: true }).left).toHaveLength(1);
  });

  test("host-gw: a node that joined and is on another network is refused", () => {
    expect(() => plan([far], { backend: "host-gw", joined: true })).toThrow(
      "Cannot route to the pods of other nodes: none of w2 (10.7.0.7) is on the network of eth0 (10.0.0.5); expected all nodes on one, as podNetworkBackend is host-gw",
    );
  });

  test("a node that has no block yet, and this one, have no route", () => {
    const self = peer("n1", "10.0.0.5", "10.20.0.0/24");
    expect(plan([self, peer("w9", "10.0.0.9")])).toEqual({ routes: [], tunnel: undefined, left: [] });
  });

  test("a block that cannot be a node's own has no route, and is told of", () => {
    const claims = [
      peer("a", "10.0.0.7", "0.0.0.0/0"),
      peer("b", "10.0.0.8", "10.20.0.128/25"),
      near,
      peer("z", "10.0.0.9", "10.20.1.0/24"),
    ];
    expect(plan(claims)).toEqual({
      routes: [straight],
      tunnel: undefined,
      left: [
        "a: its block 0.0.0.0/0 is not in 10.20.0.0/16",
        "b: its block 10.20.0.128/25 overlaps that of n1",
        "z: its block 10.20.1.0/24 overlaps that of w1",
      ],
    });
  });

  test("without the node's interface no guess is made", () => {
    expect(() => plan([near], { isDown: true })).toThrow(
      "Cannot route to the pods of w1: no interface of this host has the node's address 10.0.0.5",
    );
    expect(plan([], { isDown: true }).routes).toEqual([]);
  });
});

test("macOf() gives every node another one, which it makes itself", () => {
  expect(macOf("10.89.0.51")).toBe("0a:f9:0a:59:00:33");
  // Locally administered, for one receiver.
  expect(Number.parseInt(macOf("255.255.255.255").slice(0, 2), 16) & 3).toBe(2);
});
