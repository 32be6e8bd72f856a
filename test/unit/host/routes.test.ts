import { describe, expect, test } from "bun:test";
import { parseRoutes, routeTo } from "../../../src/host/routes.ts";

const HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const row = (...[name, to, via, mask]: string[]) =>
  `${name}\t${to}\t${via}\t0003\t0\t0\t0\t${mask}\t0\t0\t0\n`;

const routes = parseRoutes(
  HEAD +
    row("eth0", "00000000", "0100000A", "00000000") +
    row("eth0", "0000000A", "00000000", "00FFFFFF") +
    row("eth1", "0000000A", "00000000", "00FFFFFF") +
    row("eth0", "0900000A", "0200000A", "FFFFFFFF"),
);

test("parseRoutes() gives block, interface, and the router where there is one", () => {
  expect(routes).toEqual([
    { interface: "eth0", cidr: "0.0.0.0/0", gateway: "10.0.0.1" },
    { interface: "eth0", cidr: "10.0.0.0/24" },
    { interface: "eth1", cidr: "10.0.0.0/24" },
    { interface: "eth0", cidr: "10.0.0.9/32", gateway: "10.0.0.2" },
  ]);
  expect(parseRoutes("")).toEqual([]);
});

describe("routeTo()", () => {
  test.each([
    ["in the smallest block", "10.0.0.9", "10.0.0.9/32"],
    ["in two blocks of one length, the first", "10.0.0.8", "10.0.0.0/24"],
    ["in none but the default", "192.0.2.1", "0.0.0.0/0"],
  ])("an address %s", (_, address, cidr) => {
    expect(routeTo(routes, address)).toMatchObject({ interface: "eth0", cidr });
  });

  test("without a default route nothing leads elsewhere", () => {
    expect(routeTo(routes.slice(1), "192.0.2.1")).toBeUndefined();
  });
});
