import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { problemsOf } from "./help.ts";

const file = (path: string, text: string) => ({ path, text });

describe("loadConfig() puts layers together", () => {
  test("flags over later files over earlier files over defaults", () => {
    const files = [
      file("a.yaml", "apiPort: 1001\nmtu: 1400\nmaxPods: 50"),
      file("b.yaml", "K8S_API_PORT: 1002\nmtu: 1450"),
    ];
    const { apiPort, mtu, maxPods, role } = loadConfig({ files, flags: { apiPort: "1003", mtu: undefined } });
    expect({ apiPort, mtu, maxPods, role }).toEqual({
      apiPort: 1003,
      mtu: 1450,
      maxPods: 50,
      role: "master",
    });
  });

  test("labels are merged, lists are replaced", () => {
    const files = [
      file("a.yaml", "nodeLabels: {a: '1', b: '1'}\nextraSans: [a]"),
      file("b.yaml", "nodeLabels: {b: '2'}\nextraSans: [b]"),
    ];
    const config = loadConfig({ files, flags: { nodeLabels: "c=3" } });
    expect(config.nodeLabels).toEqual({ a: "1", b: "2", c: "3" });
    expect(config.extraSans).toEqual(["b"]);
  });

  test("false and 0 replace a default that is neither", () => {
    const config = loadConfig({
      files: [file("a.yaml", "dockerLiveRestore: false\ndrainTimeoutSeconds: 0")],
    });
    expect([config.dockerLiveRestore, config.drainTimeoutSeconds]).toEqual([false, 0]);
  });

  test("what is not set is there as undefined, and everything is frozen", () => {
    const config = loadConfig();
    expect(Object.keys(config)).toContain("masterIp");
    expect(config.masterIp).toBeUndefined();
    expect([config, config.nodeLabels, config.extraSans].every(Object.isFrozen)).toBe(true);
    expect(loadConfig()).toEqual(config);
  });

  test("a relative bundle of the command line is taken from the working directory", () => {
    expect(loadConfig({ flags: { bundle: "stack" } }).bundle).toBe(`${process.cwd()}/stack`);
  });

  test("names that are no key are left to the command", () => {
    expect(loadConfig({ flags: { verbose: true, dryRun: true } })).toEqual(loadConfig());
  });
});

describe("loadConfig() refuses a file", () => {
  test.each<[text: string, problems: string[]]>([
    ["containerCidr: x", ['c.yaml:1: unknown key "containerCidr"; did you mean "containersCidr"?']],
    [
      "# note\n\nCONTAINER_CIDR: x",
      ['c.yaml:3: unknown key "CONTAINER_CIDR"; did you mean "containersCidr"?'],
    ],
    ["api-prot: 1", ['c.yaml:1: unknown key "api-prot"; did you mean "apiPort"?']],
    ["__proto__: 1", ['c.yaml:1: unknown key "__proto__"; expected one that "nodelet config default" lists']],
    ["[a]: 1", ["c.yaml:1: a key is a list or a map; expected a name"]],
    ["role: worker\nROLE: master", ["c.yaml:2: ROLE: given already as role; expected one of the two"]],
    [
      "role: worker\nmtu: 1\nrole: master",
      [
        'c.yaml:3: key "role" is given twice; expected once',
        "c.yaml:2: mtu: 1 is not accepted; expected a whole number from 576 to 9216",
      ],
    ],
    ["nodeLabels:\n  a: b\n  a: c", ['c.yaml:3: key "a" is given twice; expected once']],
    ["\n- role", ["c.yaml:2: no keys found; expected key: value"]],
    ["role", ["c.yaml:1: no keys found; expected key: value"]],
    ["role: none\n---\nrole: none", ["c.yaml:2: a second document begins; expected one per file"]],
    [
      "role: *x",
      ["c.yaml:1: role: not valid YAML: Unresolved alias (the anchor must be set before the alias): x"],
    ],
  ])("%j", (text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  test("that is not YAML, with the line", () => {
    expect(problemsOf("role: none\nextraSans: [a\n")).toEqual([
      expect.stringMatching(/^c\.yaml:\d: not valid YAML: .+[^.]$/),
    ]);
  });

  test("that would grow without measure", () => {
    const lines = ["mtu: &a [x, x, x, x, x, x, x, x, x]"];
    for (let i = 98; i < 108; i++) {
      const [from, to] = [String.fromCharCode(i - 1), String.fromCharCode(i)];
      lines.push(`key${to}: &${to} [${Array(9).fill(`*${from}`).join(", ")}]`);
    }
    lines.push("extraSans: *k");
    expect(problemsOf(lines.join("\n")).at(-1)).toStartWith(
      "c.yaml:12: extraSans: not valid YAML: Excessive alias count",
    );
  });

  test.each(["", "# only a comment\n", "---\n", "null", "\uFEFFrole: none"])("but not %j", (text) => {
    expect(problemsOf(text)).toEqual([]);
  });
});

test("loadConfig() reports everything at once, files before flags before what does not fit together", () => {
  const text = "role: mastr\nfoo: 1\netcdClientPort: 6443\nmtu: 1";
  expect(problemsOf(text, { containersCidr: "10.20.0.0/33", maxPods: 0 })).toEqual([
    'c.yaml:1: role: "mastr" is not accepted; expected master, worker or none',
    'c.yaml:2: unknown key "foo"; expected one that "nodelet config default" lists',
    "c.yaml:4: mtu: 1 is not accepted; expected a whole number from 576 to 9216",
    '--containers-cidr: "10.20.0.0/33" is not a CIDR; expected for example 10.20.0.0/16',
    "--max-pods: 0 is not accepted; expected a whole number from 1 to 1000",
    "c.yaml:3: etcdClientPort: apiPort and etcdClientPort are both 6443; expected different ports",
  ]);
});

test("loadConfig() refuses an empty flag rather than dropping it", () => {
  expect(problemsOf("", { nodeIp: "" })).toEqual([
    '--node-ip: "" is not an IP address; expected for example 192.0.2.10',
  ]);
});

describe("loadConfig() checks keys together", () => {
  test.each<[text: string, problem: string]>([
    [
      "servicesCidr: 10.20.128.0/20",
      "servicesCidr: containersCidr 10.20.0.0/16 and servicesCidr 10.20.128.0/20 overlap; expected no common address",
    ],
    [
      "podCidr: 10.30.0.0/24",
      "podCidr: podCidr 10.30.0.0/24 is not in containersCidr 10.20.0.0/16; expected a block of it",
    ],
    [
      "containersCidr: 10.30.0.0/26",
      "containersCidr: nodeCidrMask 24 does not fit containersCidr 10.30.0.0/26; expected 26 to 30",
    ],
    [
      "nodeIp: 10.20.0.7",
      "nodeIp: nodeIp 10.20.0.7 is in containersCidr 10.20.0.0/16; expected an address outside",
    ],
    [
      "masterIp: 10.21.0.7",
      "masterIp: masterIp 10.21.0.7 is in servicesCidr 10.21.0.0/16; expected an address outside",
    ],
    [
      "{masterVip: 10.0.0.5, masterVipInterface: eth0, nodeIp: 10.0.0.5}",
      "nodeIp: masterVip and nodeIp are both 10.0.0.5; expected an address that no node has",
    ],
    ["apiPort: 10250", "apiPort: apiPort 10250 is a port of the kubelet; expected another"],
    [
      "etcdPeerPort: 2379",
      "etcdPeerPort: etcdClientPort and etcdPeerPort are both 2379; expected different ports",
    ],
    [
      "ETCD_HEARTBEAT_INTERVAL: 500",
      "ETCD_HEARTBEAT_INTERVAL: etcdElectionTimeout 1000 is less than five times etcdHeartbeatInterval 500; " +
        "expected at least 2500",
    ],
    [
      "cpuManagerPolicy: static",
      "cpuManagerPolicy: cpuManagerPolicy static needs reservedCpus; expected for example reservedCpus 0",
    ],
  ])("%s", (text, problem) => {
    expect(problemsOf(text)).toEqual([`c.yaml:1: ${problem}`]);
  });

  test("and accepts what fits", () => {
    expect(
      problemsOf(
        "masterIp: k8s.example.com\nnodeIp: 192.0.2.1\npodCidr: 10.20.4.0/24\ncpuManagerPolicy: static\nreservedCpus: 0,2-3",
      ),
    ).toEqual([]);
  });
});
