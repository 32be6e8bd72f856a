// The address that the masters have in common: it follows the API server of its host, is kept as it was declared, and goes with
// the node.
import { describe, expect } from "bun:test";
import { settleKernel } from "../lab/faults.ts";
import { initNode, initWords, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { type Snapshot, snapshot } from "../lab/snapshot.ts";
import { expectUndone } from "../lab/undone.ts";

/** Far from what the engine gives to hosts that ask for no address of their own. */
const VIP = "10.89.0.227";
const CONF = "/etc/pf9/kube.d/configs/keepalived/keepalived.conf";
const flags = (name: string) => ["--master-vip", VIP, "--master-vip-interface", name];

/** A bare host has no program that would tell, before it is a node. */
const holds = async (node: TestNode) => (await node.sh("cat /proc/net/fib_trie")).includes(`|-- ${VIP}\n`);
const held = (node: TestNode, is: boolean) =>
  waitUntil(async () => (await holds(node)) === is, {
    what: is ? "the address on the interface" : "an interface without the address",
    deadlineMs: 60_000,
  });

/** What the API says through the address, to a client that trusts the cluster's authority alone. */
async function askVip(node: TestNode): Promise<string> {
  const done = await node.kubectl(["--server", `https://${VIP}:6443`, "get", "--raw", "/readyz"]);
  if (done.exitCode !== 0) throw new Error(done.stderr);
  return done.stdout;
}

const apiServer = "docker ps -q --filter label=io.kubernetes.container.name=kube-apiserver";

describe("a master with an address for all masters", () => {
  let before: Snapshot;
  const { step } = story({ name: "e2e-vip", ip: "10.89.0.26", bare: true }, async (node) => {
    await settleKernel(node);
    before = await snapshot(node.host);
  });

  step("an interface that is not there is refused in words, and nothing is changed", async (node) => {
    const { exitCode, stderr } = await node.nodelet([...initWords(node), ...flags("eth7")]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("[VipInterfaceMissing] The interface eth7 of masterVip is not on this host");
    expect(await node.sh("ls /etc/pf9 /opt/pf9 2>/dev/null || true")).toBe("");
  });

  step("an address that somebody has is refused in words", async (node) => {
    const taken = ["--master-vip", node.ip.replace(/\d+$/, "1"), "--master-vip-interface", "eth0"];
    const { exitCode, stderr } = await node.nodelet([...initWords(node), ...taken]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain("[VipInUse]");
  });

  step("answers there, with a certificate for the address", async (node) => {
    await initNode(node, flags("eth0"));
    await held(node, true);
    expect(await askVip(node)).toBe("ok");
  });

  step("is asked by its own components through the balancer", async (node) => {
    const servers = await node.sh(
      "grep -h server: /etc/pf9/kube.d/kubeconfigs/{kubelet,kube-proxy,admin}.yaml",
    );
    for (const line of servers.split("\n")) expect(line.trim()).toBe("server: https://127.0.0.1:6444");
  });

  step("loses the address while its API server does not answer, and gets it back", async (node) => {
    await node.sh(`docker pause $(${apiServer})`);
    await held(node, false);
    await node.sh(`docker unpause $(${apiServer} --filter status=paused) || true`);
    await held(node, true);
    expect(await waitUntil(() => askVip(node), { what: "an answer", deadlineMs: 60_000 })).toBe("ok");
  });

  step("gets it back after keepalived was killed", async (node) => {
    await node.sh("kill -9 $(docker inspect -f '{{.State.Pid}}' keepalived)");
    await held(node, true);
    expect(await waitUntil(() => askVip(node), { what: "an answer", deadlineMs: 60_000 })).toBe("ok");
  });

  step("has its configuration put back when somebody changes it", async (node) => {
    const text = await node.sh(`cat ${CONF}`);
    await node.sh(`sed -i 's/priority .*/priority 7/' ${CONF}; docker kill -s HUP keepalived`);
    await waitUntil(async () => (await node.sh(`cat ${CONF}`)) === text, {
      what: "the configuration as it was",
      deadlineMs: 60_000,
    });
    await held(node, true);
  });

  step("has neither the address nor keepalived when the phase is stopped", async (node) => {
    expect(await node.nodelet(["phases", "stop", "-p", "180"])).toMatchObject({ exitCode: 0 });
    expect(await holds(node)).toBe(false);
    expect(
      await node.sh("docker ps -aq --filter name=^keepalived$; ls -A /etc/pf9/kube.d/configs/keepalived"),
    ).toBe("");
    expect(await node.nodelet(["phases", "start", "-p", "180"])).toMatchObject({ exitCode: 0 });
    await held(node, true);
  });

  step("is after reset what it was before", async (node) => {
    await expectUndone(node, before);
    expect(await holds(node)).toBe(false);
  });
});
