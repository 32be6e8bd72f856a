import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { problemsOf } from "./help.ts";

const HOST =
  "neither an IP address nor a lower-case DNS name; expected for example 192.0.2.10 or k8s.example.com";
const LABEL_VALUE =
  "is not a label value; expected at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends";
const FLAG = "is not a flag; expected --name=value without spaces, quotes, '\\' and '$'";

/** One line of YAML and what is said about it after `c.yaml:1: `. */
const refused: [line: string, message: string][] = [
  ["role: mastr", 'role: "mastr" is not accepted; expected master, worker or none'],
  [
    "clusterId: a b",
    "clusterId: \"a b\" is not a cluster id; expected 1 to 63 letters, digits, '.', '_' and '-'",
  ],
  ["nodeName: Node_1", 'nodeName: "Node_1" is not a lower-case DNS name; expected for example node-1'],
  ["nodeIp: 10.0.0", 'nodeIp: "10.0.0" is not an IP address; expected for example 192.0.2.10'],
  ["nodeIp: fd00::1", 'nodeIp: "fd00::1" is an IPv6 address; IPv6 is not in this version, expected IPv4'],
  [
    "nodeIp: 127.0.0.1",
    'nodeIp: "127.0.0.1" is not the address of a host on a network; expected for example 192.0.2.10',
  ],
  ["MASTER_IP: 10.0.0.300", `MASTER_IP: "10.0.0.300" is ${HOST}`],
  ["extraSans: [ok.example, 'a b']", `extraSans[1]: "a b" is ${HOST}`],
  ["apiPort: 65536", "apiPort: 65536 is not accepted; expected a whole number from 1 to 65535"],
  ["apiPort: 0x10", 'apiPort: "0x10" is not accepted; expected a whole number from 1 to 65535'],
  ["mtu: 575", "mtu: 575 is not accepted; expected a whole number from 576 to 9216"],
  [
    "containersCidr: 10.20.0.0/33",
    'containersCidr: "10.20.0.0/33" is not a CIDR; expected for example 10.20.0.0/16',
  ],
  ["containersCidr: 10.20.0.5/16", 'containersCidr: "10.20.0.5/16" has host bits set; expected 10.20.0.0/16'],
  [
    "servicesCidr: fd00::/108",
    'servicesCidr: "fd00::/108" is an IPv6 block; IPv6 is not in this version, expected IPv4',
  ],
  ["servicesCidr: 10.0.0.0/8", 'servicesCidr: "10.0.0.0/8" has a prefix of /8; expected /12 to /28'],
  ["servicesCidr: 10.21.0.0/29", 'servicesCidr: "10.21.0.0/29" has a prefix of /29; expected /12 to /28'],
  [
    "servicesCidr: 127.16.0.0/16",
    'servicesCidr: "127.16.0.0/16" overlaps 127.0.0.0/8, which is not for hosts; expected 10.21.0.0/16',
  ],
  ["allowSwap: yes", 'allowSwap: "yes" is not a boolean; expected true or false'],
  ["cloudProvider: aws", 'cloudProvider: cloud provider "aws" is not in this version; expected local'],
  ["etcdDataDir: data", 'etcdDataDir: "data" is not an absolute path; expected it to start with /'],
  [
    "etcdDataDir: /var/../etc",
    'etcdDataDir: "/var/../etc" is not accepted as a path; expected one without .. and control characters, below /',
  ],
  [
    "etcdDataDir: /a:/b",
    'etcdDataDir: "/a:/b" has characters that a path here cannot have; expected letters, digits and ./@+_-',
  ],
  [
    "containerLogMaxSize: 10",
    'containerLogMaxSize: "10" is not a size; expected a number with k, m or g, for example 10m',
  ],
  [
    "reservedCpus: 3-1",
    'reservedCpus: "3-1" is not a list of processors; expected processor numbers and ranges, for example 0-1,4',
  ],
  [
    "nodeLabels: {a b: c}",
    'nodeLabels.a b: "a b" is not a label key; expected name or prefix/name, for example example.com/rack',
  ],
  ["nodeLabels: {a: -c}", `nodeLabels.a: "-c" ${LABEL_VALUE}`],
  ["nodeLabels: [a]", 'nodeLabels: ["a"] is not a map of labels; expected name: value'],
  [
    "nodeTaints: [{key: a, effect: Go}]",
    'nodeTaints[0].effect: "Go" is not accepted; expected NoSchedule, PreferNoSchedule or NoExecute',
  ],
  ["nodeTaints: [a]", 'nodeTaints[0]: "a" is not a taint; expected key, value and effect'],
  ["apiServerFlags: ['--a=b', '-v']", `apiServerFlags[1]: "-v" ${FLAG}`],
  ["API_SERVER_FLAGS: '--a=$(id)'", `API_SERVER_FLAGS[0]: "--a=$(id)" ${FLAG}`],
  ["schedulerFlags: {a: b}", 'schedulerFlags: {"a":"b"} is not a list'],
  [
    "runtimeConfig: a b",
    'runtimeConfig: "a b" is not a list of API versions; expected for example batch/v2alpha1=true,api/beta=false',
  ],
  [
    "etcdAutoCompactionRetention: soon",
    'etcdAutoCompactionRetention: "soon" is not a retention; expected hours or a duration, for example 8 or 30m',
  ],
  [
    "clusterDomain: [a]",
    'clusterDomain: ["a"] is not a text; expected a DNS name, for example cluster.local',
  ],
  [
    "kubeletCloudConfig: s3cret!",
    "kubeletCloudConfig: value is not base64; expected the encoded file on one line",
  ],
  ["kubeletCloudConfig: [s3cret]", "kubeletCloudConfig: value is not a text; expected base64"],
];

describe("loadConfig() refuses a value and says where and why", () => {
  test.each(refused)("%s", (line, message) => {
    expect(problemsOf(line)).toEqual([`c.yaml:1: ${message}`]);
  });

  test("a network plugin that there is not", () => {
    expect(problemsOf("PF9_NETWORK_PLUGIN: cilium")).toEqual([
      'c.yaml:1: PF9_NETWORK_PLUGIN: "cilium" is not accepted; expected bridge, flannel, calico, canal, weave or noop',
    ]);
  });

  test("shows long values shortened and control characters escaped", () => {
    expect(problemsOf(`clusterId: ${"x".repeat(500)}`)[0]).toContain('"xxxx');
    expect(problemsOf(`clusterId: ${"x".repeat(500)}`)[0]?.length).toBeLessThan(250);
    expect(problemsOf('clusterId: "a\\u001b[0m"')[0]).toContain('"a\\u001b[0m"');
  });

  test("points at the line inside a list", () => {
    expect(problemsOf("extraSans:\n- good.example\n- Bad")).toEqual([
      `c.yaml:3: extraSans[1]: "Bad" is ${HOST}`,
    ]);
  });
});

describe("loadConfig() takes the spellings of the original", () => {
  test.each<[line: string, key: string, value: unknown]>([
    ['ALLOW_SWAP: "true"', "allowSwap", true],
    ["ALLOW_SWAP: False", "allowSwap", false],
    ['allowSwap: "true"', "allowSwap", true],
    ['K8S_API_PORT: "443"', "apiPort", 443],
    ["apiPort: 443", "apiPort", 443],
    ["KUBE_SERVICE_STATE: true", "kubeServiceState", "true"],
    ["CLUSTER_ID: 0042", "clusterId", "0042"],
    ['MASTER_IP: ""', "masterIp", undefined],
    ["masterIp:", "masterIp", undefined],
    ["nodeIp: ~", "nodeIp", undefined],
    ["CONTAINER_LOG_MAX_SIZE: 20Mi", "containerLogMaxSize", "20m"],
    ["DOCKER_LOG_MAX_FILE: 5", "containerLogMaxFiles", 5],
    ["DOCKER_CGROUP: native.cgroupdriver=systemd", "dockerCgroupDriver", "systemd"],
    ["API_SERVER_FLAGS: --a=b,c,--d=e", "apiServerFlags", ["--a=b,c", "--d=e"]],
    ["extraSans: 10.0.0.1, fd00::1,a.example", "extraSans", ["10.0.0.1", "fd00::1", "a.example"]],
    ["nodeLabels: {version: 1.20, on: yes}", "nodeLabels", { version: "1.20", on: "yes" }],
    ["nodeLabels: example.com/a=b,c=", "nodeLabels", { "example.com/a": "b", c: "" }],
    [
      "nodeTaints: [{key: a, effect: NoExecute}, 'b=c:NoSchedule', 'd:NoSchedule']",
      "nodeTaints",
      [
        { key: "a", value: "", effect: "NoExecute" },
        { key: "b", value: "c", effect: "NoSchedule" },
        { key: "d", value: "", effect: "NoSchedule" },
      ],
    ],
  ])("%s", (text, key, value) => {
    const config = loadConfig({ files: [{ path: "c.yaml", text }] });
    expect((config as Record<string, unknown>)[key]).toEqual(value);
  });
});
