import { describe, expect, test } from "bun:test";
import { cniConfigure } from "../../../phases/065-cni-configure.ts";
import { networkConfigure } from "../../../phases/060-network-configure.ts";
import { networkPluginStart } from "../../../phases/115-network-plugin.ts";
import { undoAll } from "../../../src/host/undo.ts";
import { paths } from "../../../src/paths.ts";
import { type Peer, peersText } from "../../../src/peers.ts";
import { world } from "../../fake/ctx.ts";
import { furnish } from "./help.ts";

const near = { name: "w1", ip: "10.0.0.6", podCidr: "10.20.1.0/24", master: false };
const far = { name: "w2", ip: "10.7.0.7", podCidr: "10.20.2.0/24", master: false };

/** As the kernel tells it: eth0 is on 10.0.0.0/24. */
const HOST_ROUTES =
  "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n" +
  "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n" +
  "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";

/** A node n1 at 10.0.0.5 on eth0, and its network. */
async function setUp(config: Record<string, unknown> = {}) {
  const w = await world({ config });
  const network = await furnish(w);
  await w.root.write("/proc/net/route", HOST_ROUTES);
  await w.root.write("/sys/class/net/eth0/mtu", "1500\n");
  await w.root.write("/sys/module/br_netfilter/.there", "");
  await w.root.write("/sys/module/vxlan/.there", "");
  const ctx = { ...w.ctx, node: { ...w.ctx.node, interface: "eth0" } };
  return {
    ...w,
    ctx,
    network,
    peers: (...list: Peer[]) => w.root.write(paths.peers, peersText(list)),
    start: () => networkConfigure.start(ctx),
    blocks: () => [...network.routes.keys()].sort(),
    /** The kernel tells the routes in a file as well. */
    told: (...blocks: string[]) =>
      w.root.write(
        "/proc/net/route",
        HOST_ROUTES + blocks.map((hex) => `eth0\t${hex}\t0600000A\t0003\t0\t0\t0\t00FFFFFF\n`).join(""),
      ),
  };
}

describe("060-network-configure, with other nodes", () => {
  test("has a route for each, follows them, and leaves nothing behind", async () => {
    await using t = await setUp();
    expect(networkConfigure.followsPeers).toBe(true);
    await t.start();
    expect([t.blocks(), t.network.links.size]).toEqual([[], 0]);
    await t.peers(near, far);
    expect(await t.start()).toBe("changed");
    expect(t.blocks()).toEqual(["10.20.1.0/24", "10.20.2.0/24"]);
    expect(t.network.links.get("pf9-vxlan")?.neighbours).toEqual(
      new Map([["10.20.2.0", "0a:f9:0a:07:00:07"]]),
    );
    expect(await t.start()).toBe("unchanged");
    await t.peers(near);
    expect(await t.start()).toBe("changed");
    expect([t.blocks(), t.network.links.size]).toEqual([["10.20.1.0/24"], 0]);
    await t.peers(far);
    await t.start();
    expect((await undoAll(t.machine, { records: t.journal.records() })).failures).toEqual([]);
    expect([t.blocks(), t.network.links.size]).toEqual([[], 0]);
    expect([...t.network.chains.keys()]).toEqual(["filter INPUT", "filter FORWARD", "nat POSTROUTING"]);
    expect([...t.network.chains.values()].flat()).toEqual([]);
  });

  test("says of which pods there is no way", async () => {
    await using t = await setUp();
    for (const name of ["ip_forward", "conf/all/route_localnet"])
      await t.root.write(`/proc/sys/net/ipv4/${name}`, "1");
    for (const name of ["iptables", "ip6tables"])
      await t.root.write(`/proc/sys/net/bridge/bridge-nf-call-${name}`, "1");
    await t.peers(near);
    expect(await networkConfigure.status?.(t.ctx)).toEqual({
      state: "failed",
      message: "there is no route to the pods of another node (10.20.1.0/24)",
    });
    await t.told("0001140A");
    expect(await networkConfigure.status?.(t.ctx)).toEqual({ state: "running" });
  });

  test("tells of a node whose block cannot be its own, and goes on", async () => {
    await using t = await setUp();
    await t.peers({ ...far, podCidr: "10.99.0.0/24" }, near);
    await t.start();
    expect(t.blocks()).toEqual(["10.20.1.0/24"]);
    expect(t.logged).toContain("no route to the pods of w2: its block 10.99.0.0/24 is not in 10.20.0.0/16");
  });

  test("keeps the source between pods, and hides it from whatever is outside", async () => {
    await using t = await setUp({ containersCidr: "10.40.0.0/16" });
    await t.start();
    expect(t.network.chains.get("filter PF9-FORWARD")).toEqual([
      "-N PF9-FORWARD",
      "-A PF9-FORWARD -s 10.40.0.0/16 -j ACCEPT",
      "-A PF9-FORWARD -d 10.40.0.0/16 -j ACCEPT",
    ]);
    expect(t.network.chains.get("nat PF9-POSTROUTING")).toEqual([
      "-N PF9-POSTROUTING",
      "-A PF9-POSTROUTING -d 10.40.0.0/16 -j RETURN",
      "-A PF9-POSTROUTING -d 224.0.0.0/4 -j RETURN",
      "-A PF9-POSTROUTING -j MASQUERADE",
    ]);
    expect(t.network.chains.get("nat POSTROUTING")).toEqual([
      "-A POSTROUTING -s 10.40.0.0/24 -j PF9-POSTROUTING",
    ]);
  });

  test("a stop leaves the routes, another plugin does not", async () => {
    await using t = await setUp();
    await t.peers(near, far);
    await t.start();
    for (const phase of [networkPluginStart, networkConfigure]) await phase.stop(t.ctx, () => {});
    expect([t.blocks().length, t.network.links.size]).toEqual([2, 1]);
    const config = { ...t.ctx.config, networkPlugin: "noop" } as const;
    expect(await networkConfigure.start({ ...t.ctx, config })).toBe("changed");
    expect([t.blocks(), t.network.links.size]).toEqual([[], 0]);
  });

  test("lets packets of the tunnel in from the nodes at its other ends, and from nobody else", async () => {
    await using t = await setUp();
    await t.peers(near, far, { ...far, name: "w3", ip: "10.6.0.3", podCidr: "10.20.3.0/24" });
    await t.start();
    expect(t.network.chains.get("filter INPUT")).toEqual([
      "-A INPUT -p udp -m udp --dport 8472 -j PF9-INPUT",
    ]);
    expect(t.network.chains.get("filter PF9-INPUT")).toEqual([
      "-N PF9-INPUT",
      "-A PF9-INPUT -s 10.6.0.3/32 -j ACCEPT",
      "-A PF9-INPUT -s 10.7.0.7/32 -j ACCEPT",
      "-A PF9-INPUT -j DROP",
    ]);
    await t.peers(near);
    await t.start();
    expect(t.network.chains.get("filter INPUT")).toEqual([]);
    expect(t.network.chains.has("filter PF9-INPUT")).toBe(false);
  });

  test("leaves all of it to another plugin", async () => {
    await using t = await setUp({ networkPlugin: "noop" });
    await t.peers(near, far);
    await t.start();
    expect([t.blocks(), t.network.links.size, t.network.chains.size]).toEqual([[], 0, 3]);
  });

  test("a dry run tells what would be, and changes nothing", async () => {
    await using t = await setUp();
    await t.peers(near, far);
    await networkConfigure.start({ ...t.dry, node: t.ctx.node });
    const planned = t.plan.map(({ kind, to }) => `${kind}: ${to}`);
    expect(planned).toContain("peerRoutes: 10.20.1.0/24, 10.20.2.0/24");
    expect(planned).toContain("tunnel: UDP port 8472, 1 nodes");
    expect([t.blocks(), t.network.links.size, t.network.chains.size]).toEqual([[], 0, 3]);
  });
});

test.each([
  [{}, 1450],
  [{ podNetworkBackend: "host-gw" }, 1500],
  [{ mtu: "1300" }, 1300],
])("065-cni-configure with %j gives pods an MTU of %d", async (config, mtu) => {
  await using t = await setUp(config);
  await cniConfigure.start(t.ctx);
  const { plugins } = JSON.parse((await t.root.read(`${paths.cniConfDir}/00-pf9-bridge.conflist`)) ?? "");
  expect(plugins[0].mtu).toBe(mtu);
});
