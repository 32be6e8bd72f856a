import { describe, expect, test } from "bun:test";
import type { AnyWanted } from "../../../src/host/kinds/index.ts";
import type { TunnelLink } from "../../../src/host/kinds/tunnel.ts";
import { kinds } from "../../../src/host/kinds/index.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { fakeNetwork } from "../../fake/network.ts";
import { tmpRoot } from "../../fake/root.ts";

/** A machine with a network, and what its doors do: look, bring about, put back. */
async function setUp() {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const network = fakeNetwork(machine);
  return {
    root,
    machine,
    network,
    read: (wanted: AnyWanted) => kinds[wanted.kind].read(machine, wanted),
    apply: (wanted: AnyWanted) => kinds[wanted.kind].apply(machine, wanted),
    same: async (wanted: AnyWanted) =>
      kinds[wanted.kind].same(await kinds[wanted.kind].read(machine, wanted), wanted),
    restore: (wanted: AnyWanted, before: unknown) =>
      kinds[wanted.kind].restore(machine, { key: kinds[wanted.kind].key(wanted), before }),
    async [Symbol.asyncDispose]() {
      machine[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

const chain = {
  kind: "chain",
  table: "nat",
  name: "PF9-POSTROUTING",
  from: "POSTROUTING",
  match: "-s 10.20.0.0/24",
  rules: ["-d 10.20.0.0/16 -j RETURN", "-j MASQUERADE"],
} as const satisfies AnyWanted;

describe("chain", () => {
  test("comes in one piece, in front of the rules of others, and goes without a trace", async () => {
    await using t = await setUp();
    t.network.chains.set("nat POSTROUTING", ["-P POSTROUTING ACCEPT", "-A POSTROUTING -j KUBE-POSTROUTING"]);
    const others = structuredClone([...t.network.chains]);
    const before = await t.read(chain);
    expect(await t.same(chain)).toBe(false);
    for (const _ of [1, 2]) await t.apply(chain);
    expect(await t.same(chain)).toBe(true);
    expect(t.machine.calls.filter((call) => call.includes("restore"))).toEqual([
      "iptables-restore --noflush --wait 5",
      "iptables-restore --noflush --wait 5",
    ]);
    expect(t.network.chains.get("nat PF9-POSTROUTING")).toEqual([
      "-N PF9-POSTROUTING",
      "-A PF9-POSTROUTING -d 10.20.0.0/16 -j RETURN",
      "-A PF9-POSTROUTING -j MASQUERADE",
    ]);
    expect(t.network.chains.get("nat POSTROUTING")).toContain(
      "-A POSTROUTING -s 10.20.0.0/24 -j PF9-POSTROUTING",
    );
    for (const _ of [1, 2]) await t.restore(chain, before);
    expect([...t.network.chains]).toEqual(others);
  });

  test.each<[string, (chains: Map<string, string[]>) => void]>([
    ["a rule that is gone", (chains) => void chains.get("nat PF9-POSTROUTING")?.pop()],
    [
      "a rule of others",
      (chains) => void chains.get("nat PF9-POSTROUTING")?.push("-A PF9-POSTROUTING -j DROP"),
    ],
    ["no way in", (chains) => void chains.set("nat POSTROUTING", [])],
    [
      "a way in for other packets",
      (chains) => void chains.set("nat POSTROUTING", ["-A POSTROUTING -s 10.9.0.0/24 -j PF9-POSTROUTING"]),
    ],
    [
      "two ways in",
      (chains) => void chains.get("nat POSTROUTING")?.push(chains.get("nat POSTROUTING")?.[0] ?? ""),
    ],
    ["no chain", (chains) => void chains.delete("nat PF9-POSTROUTING")],
  ])("%s is put right", async (_, spoil) => {
    await using t = await setUp();
    await t.apply(chain);
    const right = structuredClone([...t.network.chains].sort());
    spoil(t.network.chains);
    expect(await t.same(chain)).toBe(false);
    await t.apply(chain);
    expect([...t.network.chains].sort()).toEqual(right);
  });

  test("one that is not wanted any more goes, and only that", async () => {
    await using t = await setUp();
    t.network.chains.set("nat POSTROUTING", ["-A POSTROUTING -j KUBE-POSTROUTING"]);
    await t.apply(chain);
    const { rules: _, ...none } = chain;
    expect(await t.same(none)).toBe(false);
    await t.apply(none);
    expect(await t.same(none)).toBe(true);
    expect(t.network.chains.get("nat POSTROUTING")).toEqual(["-A POSTROUTING -j KUBE-POSTROUTING"]);
  });

  test("others in front of the way in are no difference", async () => {
    await using t = await setUp();
    await t.apply(chain);
    t.network.chains.get("nat POSTROUTING")?.unshift("-A POSTROUTING -j KUBE-POSTROUTING");
    expect(await t.same(chain)).toBe(true);
  });

  test("a host without the program has none", async () => {
    await using t = await setUp();
    for (const name of ["iptables", "iptables-save"]) t.machine.programs.delete(name);
    expect(await t.read(chain)).toEqual({ rules: null, jumps: [] });
    await t.restore(chain, { rules: null, jumps: [] });
  });
});

const near = { destination: "10.20.1.0/24", via: "10.0.0.6", interface: "eth0", source: "10.0.0.5" };
const far = {
  destination: "10.20.2.0/24",
  via: "10.20.2.0",
  interface: "pf9-vxlan",
  source: "10.20.0.0",
  tunnel: { from: "10.0.0.5", to: "10.7.0.7" },
};
const routes = (...list: (typeof near)[]) => ({ kind: "peerRoutes", routes: list }) as const;

describe("peerRoutes", () => {
  test("are brought about, and all that are not wanted any more go", async () => {
    await using t = await setUp();
    const before = await t.read(routes());
    await t.apply(routes(near, far));
    expect(await t.same(routes(near, far))).toBe(true);
    // As a set: in whatever order they are told.
    expect(await t.same(routes(far, near))).toBe(true);
    expect(await t.same(routes(near))).toBe(false);
    const moved = { ...near, via: "10.0.0.9" };
    await t.apply(routes(moved));
    expect([...t.network.routes]).toEqual([
      ["10.20.1.0/24", { words: "via 10.0.0.9 dev eth0 src 10.0.0.5", protocol: "109" }],
    ]);
    for (const _ of [1, 2]) await t.restore(routes(), before);
    expect(t.network.routes.size).toBe(0);
  });

  test("a node that is near now is reached without the tunnel", async () => {
    await using t = await setUp();
    await t.apply(routes(far));
    await t.apply(routes({ ...near, destination: far.destination }));
    expect(t.network.routes.get("10.20.2.0/24")?.words).toBe("via 10.0.0.6 dev eth0 src 10.0.0.5");
  });

  test("a route of somebody else is not replaced, and the others are made all the same", async () => {
    await using t = await setUp();
    t.network.routes.set("10.20.1.0/24", { words: "via 10.0.0.1 dev eth1", protocol: "static" });
    await expect(t.apply(routes(near, far))).rejects.toThrow("File exists");
    expect(t.network.routes.get("10.20.1.0/24")?.words).toBe("via 10.0.0.1 dev eth1");
    expect(t.network.routes.has("10.20.2.0/24")).toBe(true);
    await t.restore(routes(), { routes: {} });
    expect([...t.network.routes.keys()]).toEqual(["10.20.1.0/24"]);
  });

  test("a host without the program has none", async () => {
    await using t = await setUp();
    t.machine.programs.delete("ip");
    expect(await t.read(routes())).toEqual({ routes: {} });
  });
});

const link: TunnelLink = {
  port: 8472,
  mac: "0a:f9:0a:00:00:05",
  mtu: 1450,
  address: "10.20.0.0",
  neighbours: [
    { address: "10.20.2.0", mac: "0a:f9:0a:07:00:07" },
    { address: "10.20.1.0", mac: "0a:f9:0a:07:00:06" },
  ],
};
const tunnel = (more: Partial<TunnelLink> = {}) =>
  ({ kind: "tunnel", name: "pf9-vxlan", link: { ...link, ...more } }) as const;
const none = { kind: "tunnel", name: "pf9-vxlan" } as const;

describe("tunnel", () => {
  test("is made once, and goes with the undo", async () => {
    await using t = await setUp();
    const before = await t.read(tunnel());
    expect(before).toEqual({ link: null });
    for (const _ of [1, 2]) await t.apply(tunnel());
    expect(await t.same(tunnel())).toBe(true);
    expect(await t.same(none)).toBe(false);
    expect(t.machine.calls.filter((call) => call.includes("link add"))).toEqual([
      "ip link add pf9-vxlan address 0a:f9:0a:00:00:05 mtu 1450 type vxlan external dstport 8472 nolearning",
    ]);
    for (const _ of [1, 2]) await t.restore(none, before);
    expect(t.network.links.size).toBe(0);
    expect(await t.same(none)).toBe(true);
  });

  test.each<Partial<TunnelLink>>([
    { mtu: 1350 },
    { mac: "0a:f9:0a:00:00:08" },
    { address: "10.20.9.0" },
    { neighbours: [{ address: "10.20.2.0", mac: "0a:f9:0a:07:00:09" }] },
    { port: 4789 },
  ])("with another %j is brought to that", async (more) => {
    await using t = await setUp();
    await t.apply(tunnel());
    expect(await t.same(tunnel(more))).toBe(false);
    await t.apply(tunnel(more));
    expect(await t.same(tunnel(more))).toBe(true);
  });

  test("a node that comes or goes does not touch the ways to the others", async () => {
    await using t = await setUp();
    await t.apply(tunnel());
    t.machine.calls.length = 0;
    const [one] = link.neighbours;
    await t.apply(tunnel({ neighbours: one ? [one] : [] }));
    expect(t.machine.calls.filter((call) => call.startsWith("ip link"))).toEqual([]);
    expect([...(t.network.links.get("pf9-vxlan")?.neighbours.keys() ?? [])]).toEqual(["10.20.2.0"]);
  });

  test("one that is down is brought up, and one that nobody needs any more goes", async () => {
    await using t = await setUp();
    await t.apply(tunnel());
    Object.assign(t.network.links.get("pf9-vxlan") ?? {}, { up: false });
    expect(await t.same(tunnel())).toBe(false);
    await t.apply(tunnel());
    expect(await t.same(tunnel())).toBe(true);
    await t.apply(none);
    expect(t.network.links.size).toBe(0);
  });
});
