// The configuration of a node with nodeletd is changed: what it concerns is changed, and nothing else; what is not valid
// changes nothing, also when the daemon or the host is started anew with it.
import { describe, expect } from "bun:test";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import {
  allContainers,
  configure,
  containerFacts,
  eventsOf,
  type Health,
  health,
  timeToHealthy,
  twoLooks,
  untilHealth,
} from "../lab/heal.ts";

const INVALID = "maxPods: many\n";

const isReady = async (node: TestNode): Promise<boolean> => {
  const { conditions } = (await node.get(`node ${node.name}`)).status;
  return conditions.some(
    (one: { type: string; status: string }) => one.type === "Ready" && one.status === "True",
  );
};

const runs = async (node: TestNode, name: string): Promise<boolean> =>
  (await node.sh(`docker ps -q --filter name='^/?${name}$'`)) !== "";

const isNamed = (found: Health) => found.last_failed_task.startsWith("Read the configuration: ");

const notValid = (node: TestNode) =>
  untilHealth(node, { what: "the configuration named as what failed", holds: isNamed });

const notValidButWell = (node: TestNode) =>
  untilHealth(node, {
    what: "the configuration named as what failed, and the node well",
    holds: (found) => isNamed(found) && found.pf9_kube_node_state === "ok",
  });

describe("the configuration of a node with nodeletd", () => {
  const { step } = story({ name: "conf1", ip: "10.88.0.83" }, async (node) => {
    await initNode(node);
    await node.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "precious", namespace: "default" },
      data: { a: "b" },
    });
    await twoLooks(node);
  });

  step("is applied: only the phases that it concerns change something", async (node) => {
    const names = "etcd proxy $(docker ps -q --filter label=io.kubernetes.container.name=kube-apiserver)";
    const before = await containerFacts(node, names);
    await node.sh("cp /dev/stdin /tmp/site.yaml", { input: "maxPods: 99\n" });
    const { events, changes } = await timeToHealthy(node, {
      what: "maxPods changed",
      fault: "umask 077; cat /tmp/site.yaml >/etc/pf9/nodelet/site.yaml",
      healed: `[ "$($kubectl get node ${node.name} -o jsonpath={.status.capacity.pods})" = 99 ]`,
    });
    expect(events).toContain("configuration changed: maxPods: 200 -> 99");
    const done = events.find((event) => event.startsWith("done "));
    expect(done).toMatch(/changed (030-\S+, )?080-kubelet-configure-start, 120-dynamic-kubelet-config$/);
    expect(changes.filter((change) => /^container|etcd|manifests|certs/.test(change))).toEqual([]);
    expect(await containerFacts(node, names)).toBe(before);
  });

  step("is kept as it was when the new one is not valid, and document and status say why", async (node) => {
    const before = await allContainers(node);
    await configure(node, INVALID);
    const found = await notValidButWell(node);
    expect(found.last_failed_task).toContain("maxPods");
    await twoLooks(node);
    expect((await health(node)).last_failed_task).toBe(found.last_failed_task);
    const { stdout } = await node.nodelet(["status"]);
    expect(stdout.replace(/\s+/g, " ")).toContain("maxPods");
    expect(await allContainers(node)).toBe(before);
  });

  step("heals what breaks meanwhile", async (node) => {
    await node.sh("docker rm -f proxy");
    await waitUntil(() => runs(node, "proxy"), { what: "the container proxy again", deadlineMs: 60_000 });
    await untilHealth(node, { what: "a well node", holds: (found) => found.pf9_kube_node_state === "ok" });
    expect((await notValid(node)).last_failed_task).toContain("maxPods");
  });

  step("stays the applied one when the daemon is started anew", async (node) => {
    const before = await allContainers(node);
    await node.sh("systemctl restart pf9-nodeletd");
    await twoLooks(node);
    await notValidButWell(node);
    expect(await allContainers(node)).toBe(before);
  });

  step("stays the applied one when the host is started anew", async (node) => {
    await node.host.kill();
    await node.host.start();
    await waitUntil(() => isReady(node), { what: "the Node ready after the boot", deadlineMs: 120_000 });
    await untilHealth(node, {
      what: "a well node after the boot",
      holds: (found) => found.pf9_kube_node_state === "ok" && found["pf9_kube_service_state"] === "true",
    });
    await twoLooks(node);
    await notValidButWell(node);
    expect((await node.get(`node ${node.name}`)).status.capacity.pods).toBe("99");
    expect((await node.get("configmap precious")).data).toEqual({ a: "b" });
  });

  step("is applied as soon as it is valid again", async (node) => {
    await configure(node, "maxPods: 88\n");
    await waitUntil(async () => (await node.get(`node ${node.name}`)).status.capacity.pods === "88", {
      what: "a Node with the new number of pods",
      deadlineMs: 60_000,
    });
    await untilHealth(node, {
      what: "no failed task any more",
      holds: (found) => found.last_failed_task === "",
    });
    expect((await eventsOf(node)).map(({ what }) => what)).toContain("configuration is valid again");
  });

  step("false stops everything, and that is well", async (node) => {
    await configure(node, 'kubeServiceState: "false"\n');
    const stopped = await untilHealth(node, {
      what: "everything stopped",
      holds: (found) => found["pf9_kube_service_state"] === "false" && found.pf9_kube_node_state === "ok",
    });
    expect(stopped["completed_tasks"]).toEqual([]);
    expect(await node.sh("docker ps -q")).toBe("");
    await twoLooks(node);
    expect(await node.sh("docker ps -q; systemctl is-active pf9-kubelet || true")).toBe("inactive");
    expect(await health(node)).toMatchObject({ pf9_kube_node_state: "ok", pf9_kube_start_attempt: 0 });
  });

  step("true starts everything again, with the data", async (node) => {
    await configure(node, 'kubeServiceState: "true"\n');
    await untilHealth(node, {
      what: "everything running",
      holds: (found) => found["pf9_kube_service_state"] === "true" && found.pf9_kube_node_state === "ok",
    });
    expect((await node.get("configmap precious")).data).toEqual({ a: "b" });
    expect((await node.get(`node ${node.name}`)).spec.unschedulable).toBeUndefined();
  });

  step("ignore leaves the node alone, and true does what was left", async (node) => {
    await configure(node, "kubeServiceState: ignore\n");
    await twoLooks(node);
    const before = await containerFacts(node, "etcd");
    await node.sh("docker rm -f proxy");
    await twoLooks(node);
    expect(await runs(node, "proxy")).toBe(false);
    expect((await health(node))["pf9_kube_service_state"]).toBe("false");
    await configure(node, 'kubeServiceState: "true"\n');
    await waitUntil(() => runs(node, "proxy"), { what: "the container proxy again", deadlineMs: 60_000 });
    expect(await containerFacts(node, "etcd")).toBe(before);
  });
});
