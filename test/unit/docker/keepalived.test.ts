import { expect, test } from "bun:test";
import { heldBy, keepalived, keepalivedConfig } from "../../../src/docker/keepalived.ts";
import { fakeIndex, imageEntry } from "../../fake/bundle.ts";
import { world } from "../../fake/ctx.ts";

const VIP = "10.0.0.99";
const held = { address: VIP, interface: "eth0" };
const index = fakeIndex([imageEntry("keepalived")]);
const withVip = (more: object = {}) =>
  world({ config: { masterVip: VIP, masterVipInterface: "eth0", ...more }, index });

const valueOf = (text: string, key: string) => new RegExp(`^ +${key} (.*)$`, "m").exec(text)?.[1];
const peersOf = (text: string) =>
  [...text.matchAll(/^ {4}(\S+) min_ttl 255 max_ttl 255$/gm)].map(([, ip]) => ip);

test("masters speak to one another alone, and the local API server decides", async () => {
  await using w = await withVip({ apiPort: 7443 });
  const text = keepalivedConfig(w.ctx, { held, others: ["10.0.0.7", "10.0.0.6"] });
  expect(peersOf(text)).toEqual(["10.0.0.6", "10.0.0.7"]);
  expect(valueOf(text, "unicast_src_ip")).toBe("10.0.0.5");
  expect(valueOf(text, "vrrp_version")).toBe("3");
  expect(valueOf(text, "script")).toEndWith(' https://127.0.0.1:7443/readyz"');
  expect(text).toContain("  vrrp_check_unicast_src\n");
  expect(text).toContain("  nopreempt\n");
  expect(text).toContain("  init_fail\n");
  expect(text).not.toContain("auth_");
  expect(heldBy(text)).toEqual([held]);
});

test("the address moves within two seconds: three adverts and the skew of the lowest priority", async () => {
  await using w = await withVip();
  const interval = Number(valueOf(keepalivedConfig(w.ctx, { held, others: [] }), "advert_int"));
  expect(4 * interval).toBeLessThan(2);
});

test("a master that is alone does not speak to the network", async () => {
  await using w = await withVip();
  expect(peersOf(keepalivedConfig(w.ctx, { held, others: [] }))).toEqual([VIP]);
});

test("masters of a cluster have one router id, and each another priority", async () => {
  const found = await Promise.all(
    ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.254", "10.0.0.255"].map(async (nodeIp) => {
      await using w = await withVip({ nodeIp });
      const text = keepalivedConfig(w.ctx, { held, others: ["10.0.0.8"] });
      return [valueOf(text, "virtual_router_id"), Number(valueOf(text, "priority"))] as const;
    }),
  );
  expect(new Set(found.map(([id]) => id)).size).toBe(1);
  expect(new Set(found.map(([, priority]) => priority)).size).toBe(5);
  for (const [id, priority] of found) {
    expect(Number(id)).toBeWithin(1, 256);
    expect(priority).toBeWithin(1, 255);
  }
});

test("other clusters have other router ids, and what the operator says holds", async () => {
  const ids = new Set<string | undefined>();
  for (let at = 0; at < 30; at++) {
    await using w = await withVip();
    const node = { ...w.ctx.node, clusterId: `cluster-${at}` };
    ids.add(valueOf(keepalivedConfig({ ...w.ctx, node }, { held, others: [] }), "virtual_router_id"));
  }
  expect(ids.size).toBeGreaterThan(20);
  await using w = await withVip({ masterVipVrouterId: 77, masterVipPriority: 9 });
  const text = keepalivedConfig(w.ctx, { held, others: [] });
  expect([valueOf(text, "virtual_router_id"), valueOf(text, "priority")]).toEqual(["77", "9"]);
});

test("the container may change the network and nothing else, and its key is for root", async () => {
  await using w = await withVip();
  const { spec, files } = keepalived(w.ctx, { held, others: [], ca: "CA", cert: "CERT\n", key: "KEY\n" });
  expect(spec).toMatchObject({ readOnlyRoot: true, capabilities: ["NET_ADMIN", "NET_RAW", "SETGID"] });
  expect(spec.privileged).toBeUndefined();
  expect(files.find(({ path }) => path.endsWith(".pem"))).toMatchObject({ mode: 0o600, secret: true });
});
