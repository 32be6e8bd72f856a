import { describe, expect, test } from "bun:test";
import { networkConfigure } from "../../../phases/060-network-configure.ts";
import { cniConfigure } from "../../../phases/065-cni-configure.ts";
import { networkPluginStart } from "../../../phases/115-network-plugin.ts";
import { madeRoutes, routeWords } from "../../../src/host/kinds/routes-into.ts";
import { netConf, SUBNET_ENV } from "../../../src/network/flannel-container.ts";
import { podMtu } from "../../../src/network/mtu.ts";
import { fakeIndex, imageEntry } from "../../fake/bundle.ts";
import { keysOf, world, type World } from "../../fake/ctx.ts";
import { furnish } from "../phases/help.ts";

const CONF = "/etc/pf9/kube.d/configs/flannel-net-conf.json";
const KUBECONFIG = "/etc/pf9/kube.d/kubeconfigs/kubelet.yaml";
const TUNNEL = "/sys/class/net/flannel.1/mtu";

/** A world whose bundle has flannel. */
async function flannelWorld(config: Record<string, unknown> = {}): Promise<World> {
  const index = fakeIndex([imageEntry("flannel")]);
  const w = await world({ config: { networkPlugin: "flannel", ...config }, index });
  await furnish(w);
  await networkConfigure.start(w.ctx);
  return w;
}

/** The same node, with other values of the configuration. */
const changed = (w: World, config: object) => ({ ...w.ctx, config: { ...w.ctx.config, ...config } });

const subnet = (network: string) =>
  `FLANNEL_NETWORK=${network}\nFLANNEL_SUBNET=10.20.0.1/24\nFLANNEL_MTU=1450\n`;

test.each([
  ["auto", { Type: "vxlan", DirectRouting: true }],
  ["vxlan", { Type: "vxlan" }],
  ["host-gw", { Type: "host-gw" }],
] as const)("netConf() of the backend %s", (podNetworkBackend, backend) => {
  expect(JSON.parse(netConf({ containersCidr: "10.20.0.0/16", podNetworkBackend }))).toEqual({
    Network: "10.20.0.0/16",
    Backend: backend,
  });
});

describe("the phases with flannel", () => {
  test("plan its configuration, its claims and its container", async () => {
    await using w = await flannelWorld();
    await networkConfigure.start(w.dry);
    await networkPluginStart.start(w.dry);
    expect(keysOf(w.plan)).toContain("container flannel");
    const claimed = w.journal.records().map(({ kind, key }) => `${kind} ${key}`);
    expect(claimed).toEqual(
      expect.arrayContaining([
        "tree /run/flannel",
        "interface flannel.1",
        "routesInto 10.20.0.0/16",
        `file ${CONF}`,
      ]),
    );
  });

  test("start a container that is the node, and may do nothing but network", async () => {
    await using w = await flannelWorld();
    expect(await networkPluginStart.start(w.ctx)).toBe("changed");
    const spec = w.machine.docker.specs.get("flannel");
    expect(spec?.command).toEqual([
      "flanneld",
      "--kube-subnet-mgr=true",
      `--kubeconfig-file=${KUBECONFIG}`,
      `--net-config-path=${CONF}`,
      `--subnet-file=${SUBNET_ENV}`,
      "--iface=10.0.0.5",
      "--ip-masq=false",
      "--iptables-forward-rules=false",
      "--v=1",
    ]);
    expect(spec).toMatchObject({ env: { NODE_NAME: "n1" }, capabilities: ["NET_ADMIN"], readOnlyRoot: true });
    expect(spec?.privileged).toBeUndefined();
    expect(await networkPluginStart.start(w.ctx)).toBe("unchanged");
  });

  test("make the container anew when the node's credentials are others", async () => {
    await using w = await flannelWorld();
    await networkPluginStart.start(w.ctx);
    await w.root.write(TUNNEL, "1450");
    await w.root.write(KUBECONFIG, "renewed", 0o600);
    expect(await networkPluginStart.start(w.ctx)).toBe("changed");
    expect(w.machine.calls).not.toContain("ip link delete flannel.1");
  });

  test("remove what the old backend made when there is another one", async () => {
    await using w = await flannelWorld();
    await networkPluginStart.start(w.ctx);
    await w.root.write(TUNNEL, "1450");
    await w.root.write(SUBNET_ENV, subnet("10.20.0.0/16"));
    w.machine.programs.set("ip", () => ({}));
    const next = changed(w, { podNetworkBackend: "host-gw" });
    await networkConfigure.start(next);
    expect(await networkPluginStart.start(next)).toBe("changed");
    expect(w.machine.calls).toContain("ip link delete flannel.1");
    expect(await w.ctx.host.exists(SUBNET_ENV)).toBe(false);
    expect(JSON.parse((await w.ctx.host.read(CONF)) ?? "")).toMatchObject({ Backend: { Type: "host-gw" } });
  });

  test("take it away when the node has another plugin, and leave alone what is not flannel's", async () => {
    await using w = await flannelWorld();
    await networkPluginStart.start(w.ctx);
    const next = changed(w, { networkPlugin: "bridge" });
    expect(await networkConfigure.start(next)).toBe("changed");
    expect(await w.ctx.docker.inspect("flannel")).toBeUndefined();
    await w.root.write(TUNNEL, "1450");
    expect(await networkConfigure.start(next)).toBe("unchanged");
    expect(w.machine.calls).not.toContain("ip link delete flannel.1");
  });

  test("put the pods on our bridge, whose packets leave room for the tunnel's headers", async () => {
    await using w = await flannelWorld();
    await w.root.write("/sys/class/net/eth0/mtu", "1500\n");
    await cniConfigure.start({ ...w.ctx, node: { ...w.ctx.node, interface: "eth0" } });
    const conflist = JSON.parse((await w.ctx.host.read("/etc/cni/net.d/00-pf9-bridge.conflist")) ?? "");
    expect(conflist.plugins[0]).toMatchObject({ type: "bridge", mtu: 1450 });
  });
});

describe("podMtu()", () => {
  test.each([
    [{}, 1450],
    [{ podNetworkBackend: "host-gw" }, 1500],
    [{ mtu: 1400 }, 1400],
    [{ networkPlugin: "bridge" }, 1450],
    [{ networkPlugin: "bridge", podNetworkBackend: "host-gw" }, 1500],
    [{ networkPlugin: "bridge", mtu: 1300 }, 1300],
  ])("with %j is %p", async (config, mtu) => {
    await using w = await flannelWorld();
    await w.root.write("/sys/class/net/eth0/mtu", "1500\n");
    const { host, config: own, node } = changed(w, config);
    expect(await podMtu({ host, config: own, node: { ...node, interface: "eth0" } })).toBe(mtu);
  });
});

describe("the status of flannel", () => {
  test("tells what is missing, one after the other", async () => {
    await using w = await flannelWorld();
    const status = () => networkPluginStart.status?.(w.ctx);
    expect(await status()).toEqual({ state: "stopped", message: "there is no container flannel" });
    await networkPluginStart.start(w.ctx);
    expect(await status()).toEqual({
      state: "failed",
      message: "flannel has not taken the block 10.20.0.0/24 yet",
    });
    await w.root.write(SUBNET_ENV, subnet("10.20.0.0/16"));
    expect(await status()).toEqual({ state: "failed", message: "there is no interface flannel.1" });
    await w.root.write(TUNNEL, "1450");
    expect(await status()).toEqual({ state: "running" });
    await networkPluginStart.ready?.(w.ctx, () => {});
    await w.machine.docker.stop("flannel", 1);
    expect(await status()).toEqual({ state: "failed", message: "the container flannel is exited (0)" });
  });

  test("that stays wrong ends the wait with what is missing and where to look", async () => {
    await using w = await flannelWorld();
    await networkPluginStart.start(w.ctx);
    await w.root.write(SUBNET_ENV, subnet("10.99.0.0/16"));
    await expect(networkPluginStart.ready?.(w.ctx, () => {})).rejects.toMatchObject({
      message: "Cannot start flannel within 120 s: flannel has not taken the block 10.20.0.0/24 yet",
      hint: "see docker logs flannel",
    });
  });
});

describe("routes that somebody made", () => {
  const shown = [
    "10.20.0.0/24 dev cni0 proto kernel scope link src 10.20.0.1 ",
    "10.20.1.0/24 via 10.0.0.6 dev eth0 ",
    "10.20.2.0/24 via 10.20.2.0 dev flannel.1 onlink ",
    "blackhole 10.20.5.0/26 proto bird ",
    "10.20.5.3 dev cali1 scope link ",
    "",
  ].join("\n");

  test("have a gateway, or lead nowhere; and are named without their state", () => {
    expect(madeRoutes(shown).map(routeWords)).toEqual([
      ["10.20.1.0/24", "via", "10.0.0.6", "dev", "eth0"],
      ["10.20.2.0/24", "via", "10.20.2.0", "dev", "flannel.1"],
      ["blackhole", "10.20.5.0/26"],
    ]);
  });
});
