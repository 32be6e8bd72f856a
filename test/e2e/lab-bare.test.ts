import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BARE_NETWORK } from "../../scripts/lab/constants.ts";
import { type Egress, countEgress } from "../../scripts/lab/egress.ts";
import { attachHost, inNetworkOf, type LabHost, startHost } from "../../scripts/lab/host.ts";
import { run } from "../../scripts/lib/run.ts";

/** Reserved for documentation: nobody is there. */
const ELSEWHERE = "192.0.2.1";
const ABSENT = ["docker", "containerd", "runc", "iptables", "ip", "conntrack", "ipset", "socat", "ebtables"];

describe("a bare lab host", () => {
  let host: LabHost;

  beforeAll(async () => {
    host = await startHost({ name: "lab-bare", ip: "10.89.0.90", bare: true });
  }, 240_000);
  afterAll(() => host?.remove());

  const sh = (script: string) => host.exec(["bash", "-c", script]);
  const routes = () => inNetworkOf("lab-bare", ["ip", "route"]);
  /** One UDP packet of 4 bytes: 32 with its headers. */
  const send = (address: string) => sh(`printf ping >/dev/udp/${address}/53`);
  const openWay = () =>
    inNetworkOf("lab-bare", ["ip", "route", "add", "default", "via", BARE_NETWORK.gateway]);
  const closeWay = () => inNetworkOf("lab-bare", ["ip", "route", "del", "default"]);

  test("runs systemd and has nothing that containers need", async () => {
    expect((await sh("systemctl is-system-running")).stdout).toBe("running\n");
    const found = await sh(
      `PATH=$PATH:/usr/sbin:/sbin; command -v ${ABSENT.join(" ")} modprobe curl ethtool`,
    );
    expect(found.stdout).toBe("");
  });

  test("has no default route and no name server, also after its cable was pulled and after a power cut", async () => {
    const onlySubnet = /^10\.89\.0\.0\/24 dev eth\d+ proto kernel scope link src 10\.89\.0\.90 \n$/;
    expect(await routes()).toMatch(onlySubnet);
    expect((await sh("cat /etc/resolv.conf")).stdout).toBe("");
    await host.disconnect();
    expect(await routes()).toBe("");
    await host.connect();
    expect(await routes()).toMatch(onlySubnet);
    await host.kill();
    await host.start();
    expect(await routes()).toMatch(onlySubnet);
  });

  test("is found again by its name, at its address", async () => {
    expect((await attachHost("lab-bare")).ip).toBe("10.89.0.90");
  });

  test("cannot send anywhere, and what it tries with a route is counted", async () => {
    await using egress: Egress = await countEgress("lab-bare");
    expect((await send(ELSEWHERE)).stderr).toContain("Network is unreachable");
    expect((await send(BARE_NETWORK.gateway)).exitCode).toBe(0);
    expect(await egress.read()).toEqual({ packets: 0, bytes: 0 });
    await openWay();
    try {
      for (let sent = 0; sent < 3; sent++) await send(ELSEWHERE);
      expect(await egress.read()).toEqual({ packets: 3, bytes: 96 });
    } finally {
      await closeWay();
    }
  });

  test("a count of all bare hosts, or of one, leaves no rule behind, even when it is stopped twice", async () => {
    const rules = async () => (await run(["iptables", "--table", "raw", "--list-rules"])).stdout;
    for (const egress of [await countEgress(), await countEgress("lab-bare")]) {
      expect(await rules()).toContain(`-j ${egress.chain}`);
      await egress.stop();
      await egress.stop();
      expect(await rules()).not.toContain(egress.chain);
    }
  });

  test("a host that is not there cannot be counted", async () => {
    await expect(countEgress("lab-nobody")).rejects.toThrow("No such container: lab-nobody");
  });
});
