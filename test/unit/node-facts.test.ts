import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../src/config/load.ts";
import { ConfigError } from "../../src/errors.ts";
import { type HostAddress, type HostNames, nodeFacts, type RecordedFacts } from "../../src/node-facts.ts";

const address = (name: string, ip: string): HostAddress => ({
  interface: name,
  address: ip,
  internal: name === "lo",
});
const LO = address("lo", "127.0.0.1");
const ETH0 = address("eth0", "10.0.0.5");
const ETH1 = address("eth1", "192.168.7.2");

/** What is settled on a host. */
const factsOf = (
  host: Partial<HostNames>,
  more: { flags?: Record<string, unknown>; bringsRuntime?: boolean; recorded?: RecordedFacts } = {},
) =>
  nodeFacts(loadConfig({ flags: more.flags ?? {} }), {
    names: { hostname: "n1", addresses: [LO, ETH0], defaultInterface: undefined, hasDocker: false, ...host },
    clusterId: "c-1",
    bringsRuntime: more.bringsRuntime ?? false,
    ...(more.recorded && { recorded: more.recorded }),
  });

/** What the host must be asked. */
function problemsOf(host: Partial<HostNames>): readonly string[] {
  try {
    factsOf(host);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const QUESTION =
  "nodeIp: there is no default route to tell the address of this node by; its addresses: LIST; set --node-ip";

describe("the address of the node", () => {
  test("is that of the default route's interface", () => {
    const host = { addresses: [LO, ETH0, ETH1], defaultInterface: "eth1" };
    expect(factsOf(host)).toMatchObject({ ip: "192.168.7.2", interface: "eth1" });
  });

  test("is the only one there is, without a default route, bridges of containers left out", () => {
    const bridges = [address("docker0", "172.17.0.1"), address("cni0", "10.20.0.1")];
    expect(factsOf({ addresses: [LO, ...bridges, ETH0] })).toMatchObject({
      ip: "10.0.0.5",
      interface: "eth0",
    });
  });

  test("is asked for where there are several, in the same order each time, or none", () => {
    const several = QUESTION.replace("LIST", "10.0.0.5 (eth0), 192.168.7.2 (eth1)");
    expect(problemsOf({ addresses: [ETH0, ETH1] })).toEqual([several]);
    expect(problemsOf({ addresses: [ETH1, LO, ETH0] })).toEqual([several]);
    expect(problemsOf({ addresses: [LO] })).toEqual([QUESTION.replace("LIST", "none")]);
  });

  test("is the given one, and stays what an earlier run settled", () => {
    const host = { addresses: [ETH0, ETH1] };
    expect(factsOf(host, { flags: { nodeIp: "192.168.7.2" } }).ip).toBe("192.168.7.2");
    const gone = factsOf({ addresses: [ETH0] }, { recorded: { nodeIp: "192.168.7.2" } });
    expect(gone).toMatchObject({ ip: "192.168.7.2", interface: undefined });
  });
});

describe("the name of the node", () => {
  test("is the host's in lower case, and stays though the host is called otherwise", () => {
    expect(factsOf({ hostname: "NODE-A" }).name).toBe("node-a");
    expect(factsOf({ hostname: "other" }, { recorded: { nodeName: "node-a" } }).name).toBe("node-a");
  });
});

describe("the container engine", () => {
  test("is the host's where it has one, and the bundle's where not", () => {
    expect(factsOf({ hasDocker: true }, { bringsRuntime: true }).runtime).toBe("host");
    expect(factsOf({}, { bringsRuntime: true }).runtime).toBe("bundled");
    expect(factsOf({}, { bringsRuntime: false }).runtime).toBe("host");
  });

  test("is what the configuration says, and stays what it was", () => {
    const flags = { containerRuntime: "bundled" };
    expect(factsOf({ hasDocker: true }, { flags, bringsRuntime: true }).runtime).toBe("bundled");
    const recorded = { runtime: "bundled" } as const;
    expect(factsOf({ hasDocker: true }, { bringsRuntime: true, recorded }).runtime).toBe("bundled");
  });
});
