import { expect, test } from "bun:test";
import { balancer, balancerConfig } from "../../../src/docker/balancer.ts";
import { world } from "../../fake/ctx.ts";

const MASTERS = ["n1", "n2", "n3", "n4", "n5"].map((name, at) => ({ name, ip: `10.0.0.${5 + at}` }));
const PEM = { ca: "CA\n", cert: "CERT\n", key: "KEY\n" };

const serversOf = (text: string) =>
  text.split("\n").flatMap((line) => /^ {2}server (.*)$/.exec(line)?.slice(1) ?? []);

test("the configuration passes connections through and asks each master whether it is ready, with a certificate", async () => {
  await using w = await world({ config: { apiPort: 7443, balancerPort: 7444 } });
  const text = balancerConfig(w.ctx, MASTERS.slice(0, 1));
  expect(text).toContain("  mode tcp\n");
  expect(text).toContain("  bind 127.0.0.1:7444\n");
  expect(text).toContain("uri /readyz");
  expect(text).toContain("verify required");
  expect(serversOf(text)).toEqual([
    "n1 10.0.0.5:7443",
    "own_when_none_is_ready 10.0.0.5:7443 no-check backup",
  ]);
});

test("a master asks its own API server first, and the others in an order of its own", async () => {
  const orders = await Promise.all(
    ["n1", "n2", "n3", "n4", "n5"].map(async (nodeName) => {
      await using w = await world({ config: { nodeName } });
      return serversOf(balancerConfig(w.ctx, MASTERS)).map((line) => line.split(" ")[0]);
    }),
  );
  expect(orders.map(([first]) => first)).toEqual(["n1", "n2", "n3", "n4", "n5"]);
  for (const order of orders) expect(order.slice(0, -1).sort()).toEqual(["n1", "n2", "n3", "n4", "n5"]);
  expect(new Set(orders.map(([, second]) => second)).size).toBeGreaterThan(1);
});

test("workers spread over the masters, and keep their order when one comes or goes", async () => {
  const firsts = new Set<string | undefined>();
  for (let at = 0; at < 20; at++) {
    await using w = await world({ config: { role: "worker", nodeName: `w${at}`, masterIp: "10.0.0.5" } });
    const order = serversOf(balancerConfig(w.ctx, MASTERS)).map((line) => line.split(" ")[0]);
    const without = serversOf(balancerConfig(w.ctx, MASTERS.slice(1))).map((line) => line.split(" ")[0]);
    expect(order).toHaveLength(5);
    expect(without).toEqual(order.filter((name) => name !== "n1"));
    firsts.add(order[0]);
  }
  expect(firsts.size).toBeGreaterThan(2);
});

test("the container has no right, a read-only root and a user of its own, who alone reads the key", async () => {
  await using w = await world();
  const { spec, files } = balancer(w.ctx, { masters: MASTERS, ...PEM });
  expect(spec).toMatchObject({ readOnlyRoot: true, user: "64440:64440" });
  expect([spec.capabilities, spec.privileged]).toEqual([undefined, undefined]);
  expect(spec.mounts).toEqual([
    { source: "/etc/pf9/kube.d/configs/balancer", target: "/etc/balancer", readOnly: true },
  ]);
  expect(files.find(({ path }) => path.endsWith(".pem"))).toMatchObject({
    content: "CERT\nKEY\n",
    mode: 0o600,
    owner: 64440,
    secret: true,
  });
});
