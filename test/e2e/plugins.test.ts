// Pod networks other than nodelet's own: flannel on two nodes, in both its ways; and a plugin that is a manifest of the bundle, with a
// stand-in for Calico, since no registry can be reached from where these tests run.
import { describe, expect } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allReady, clusterStory, joinNode, makeToken } from "../lab/cluster.ts";
import { expectHealthy } from "../lab/faults.ts";
import { story, type TestNode, waitUntil } from "../lab/harness.ts";
import { MANIFEST, writePluginImage } from "../lab/network-plugin.ts";
import { everyPairReaches, podOnEveryNode } from "../lab/pairs.ts";

const FLANNEL = ["init", "--network-plugin", "flannel", "--pod-network-backend"];

/** A configuration file that wins over what the cluster gave the worker. */
const SITE = "/etc/pf9/nodelet/50-site.yaml";

const succeed = async (node: TestNode, args: string[]) =>
  expect(await node.nodelet(args)).toMatchObject({ exitCode: 0 });

/** The routes to pods of other nodes, when all of them are of one kind. */
const routesAre = async (node: TestNode, kind: RegExp) =>
  await waitUntil(
    async () => {
      const routes = (await node.sh("ip -4 route show root 10.20.0.0/16"))
        .split("\n")
        .filter((line) => line.includes(" via "));
      if (routes.length > 0 && routes.every((line) => kind.test(line))) return true;
      throw new Error(`routes of ${node.name}: ${routes.join("; ") || "none"}`);
    },
    { what: `routes of ${node.name} like ${kind}`, deadlineMs: 120_000 },
  );

describe("flannel", () => {
  const { step } = clusterStory(
    [
      { name: "pl1", ip: "10.89.0.71", role: "master" },
      { name: "pl2", ip: "10.89.0.72", role: "worker" },
    ],
    async ({ node }) => {
      await succeed(node("pl1"), [...FLANNEL, "vxlan"]);
      const token = await makeToken(node("pl1"), ["--role", "worker"]);
      await joinNode(node("pl2"), { at: node("pl1").ip, token });
      await allReady(node("pl1"), { names: ["pl1", "pl2"] });
    },
  );

  step("carries pods through tunnels", async ({ node, nodes }) => {
    for (const one of nodes) await routesAre(one, / dev flannel\.1 onlink/);
    await podOnEveryNode(node("pl1"));
    await everyPairReaches(node("pl1"), { nodes });
  });

  step(
    "carries them by plain routes when it is told so, and its tunnels are gone",
    async ({ node, nodes }) => {
      await node("pl2").sh(`echo 'podNetworkBackend: host-gw' >${SITE}`);
      await succeed(node("pl1"), [...FLANNEL, "host-gw"]);
      for (const one of nodes) {
        await routesAre(one, / via 10\.89\.0\.7\d dev eth0/);
        await one.sh("test ! -e /sys/class/net/flannel.1");
      }
      await everyPairReaches(node("pl1"), { nodes });
    },
  );

  step("is back after somebody has removed its routes and its container", async ({ node, nodes }) => {
    await node("pl2").sh("docker rm -f flannel && ip route del 10.20.0.0/24");
    await routesAre(node("pl2"), / via 10\.89\.0\.71 dev eth0/);
    await everyPairReaches(node("pl1"), { nodes });
  });

  step("leaves nothing behind", async ({ node }) => {
    await node("pl2").sh(`rm ${SITE}`);
    for (const name of ["pl2", "pl1"]) await succeed(node(name), ["reset", "--yes"]);
  });
});

describe("a manifest of the bundle", () => {
  const bundle = "/srv/site.bundle";
  const calico = ["init", "--insecure-bundle", "--network-plugin", "calico", "--bundle"];
  const { step } = story({ name: "pl1", ip: "10.89.0.71", bare: true }, async (node) => {
    const dir = await mkdtemp(join(tmpdir(), "nodelet-plugin-"));
    await writeFile(join(dir, "calico.yaml"), MANIFEST);
    await node.host.copyIn(join(dir, "calico.yaml"), "/srv/calico.yaml");
    await node.host.copyIn(await writePluginImage(dir), "/srv/plugin.tar");
    await rm(dir, { recursive: true });
    await node.sh(
      `cd /srv && nodelet bundle extract --to stack && nodelet bundle create --stack stack --no-program --level 1 --manifest calico=calico.yaml --image plugin.tar --out ${bundle} && rm -r stack`,
      { timeoutMs: 200_000 },
    );
  });

  step("is missed before anything is changed", async (node) => {
    const done = await node.nodelet(["init", "--network-plugin", "calico"]);
    expect(done).toMatchObject({ exitCode: 3, stdout: "" });
    expect(done.stderr).toContain(
      '[BundleNetworkPlugin] Cannot use the network plugin "calico": the bundle "kubernetes-1.20.2" has no manifest "calico"',
    );
  });

  step("is applied, and its pods make the node Ready", async (node) => {
    await succeed(node, [...calico, bundle]);
    await expectHealthy(node);
    const { status } = await node.get("daemonset -n kube-system calico-node");
    expect(status).toMatchObject({ desiredNumberScheduled: 1, numberReady: 1 });
    const { spec } = await node.get("ippools.crd.projectcalico.org default");
    expect(spec).toEqual({ cidr: "10.20.0.0/16" });
    const { data } = await node.get("configmap -n kube-system calico-config");
    expect(data).toEqual({ pool: "10.20.0.0/16", calico_backend: "bird", at: "22:22" });
  });

  step("is brought back when its programs are deleted", async (node) => {
    await node.kubectl(["delete", "daemonset", "-n", "kube-system", "calico-node"]);
    await waitUntil(
      async () => (await node.get("daemonset -n kube-system calico-node")).status.numberReady === 1,
      { what: "the DaemonSet of the plugin again", deadlineMs: 120_000 },
    );
  });

  step("is taken out of the cluster when the node has another plugin", async (node) => {
    await succeed(node, ["init", "--insecure-bundle", "--network-plugin", "bridge", "--bundle", bundle]);
    expect((await node.get("daemonsets -A")).items).toEqual([]);
    expect((await node.get("customresourcedefinitions")).items).toEqual([]);
    expect(await node.sh("ls /etc/cni/net.d")).toBe("00-pf9-bridge.conflist");
  });

  step("leaves nothing behind", async (node) => {
    await succeed(node, [...calico, bundle]);
    await succeed(node, ["reset", "--yes"]);
  });
});
