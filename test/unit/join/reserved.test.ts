import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { JoinRefusal } from "../../../src/join/refusal.ts";
import { refuseReserved } from "../../../src/join/reserved.ts";

const config = loadConfig({
  flags: {
    masterVip: "10.0.0.100",
    masterVipInterface: "eth0",
    masterIp: "10.0.0.5",
    externalDnsName: "api.example.com",
    extraSans: ["alt.example.com", "10.0.0.7"],
  },
});
const ctx = { config, node: {} as never };

function judge(name: string, ip: string, role: "master" | "worker" = "worker"): string {
  try {
    refuseReserved(ctx, { candidate: { name, ip }, role });
    return "fine";
  } catch (error) {
    if (error instanceof JoinRefusal) return `${error.code}: ${error.message}`;
    throw error;
  }
}

test.each([
  ["w1", "10.0.0.6"],
  ["kubernetes-1", "192.168.1.1"],
  ["kubernetes.example.com", "172.16.0.1"],
  ["svc", "223.255.255.254"],
])("%s at %s may be a node", (name, ip) => expect(judge(name, ip)).toBe("fine"));

test.each([
  "localhost",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
  "x.y.svc",
  "cluster.local",
  "api.example.com",
  "alt.example.com",
])("no worker is called %s, as the API or a service is", (name) => {
  expect(judge(name, "10.0.0.6")).toBe(
    `NameTaken: The name "${name}" is one of the API of this cluster, or of a service`,
  );
});

test.each([
  ["127.0.0.1", "127.0.0.0/8"],
  ["0.0.0.0", "0.0.0.0/8"],
  ["169.254.169.254", "169.254.0.0/16"],
  ["224.0.0.18", "224.0.0.0/3"],
  ["255.255.255.255", "224.0.0.0/3"],
  ["10.21.0.1", "10.21.0.0/16"],
  ["10.20.3.4", "10.20.0.0/16"],
])("no node is at %s", (ip, block) => {
  const words = `AddressTaken: The address ${ip} is in ${block}, where no node has its address`;
  expect([judge("w1", ip), judge("m2", ip, "master")]).toEqual([words, words]);
});

describe("what the API is reached at", () => {
  test.each(["10.0.0.5", "10.0.0.7"])("is no worker's: %s", (ip) => {
    expect(judge("w1", ip)).toBe(`AddressTaken: The address ${ip} is one of the API of this cluster`);
  });

  test("may be a master's, which has the keys of the authorities anyway", () => {
    expect([judge("alt.example.com", "10.0.0.7", "master"), judge("m2", "10.0.0.5", "master")]).toEqual([
      "fine",
      "fine",
    ]);
  });

  test("is nobody's when it is the VIP", () => {
    const words = "AddressTaken: The address 10.0.0.100 is one of the API of this cluster";
    expect([judge("w1", "10.0.0.100"), judge("m2", "10.0.0.100", "master")]).toEqual([words, words]);
  });
});
