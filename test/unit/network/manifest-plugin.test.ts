import { beforeEach, describe, expect, test } from "bun:test";
import { networkConfigure } from "../../../phases/060-network-configure.ts";
import { cniConfigure } from "../../../phases/065-cni-configure.ts";
import { networkPluginStart } from "../../../phases/115-network-plugin.ts";
import { fakeIndex, imageEntry, manifestEntry } from "../../fake/bundle.ts";
import { world, type World } from "../../fake/ctx.ts";
import { container } from "../../fake/docker.ts";
import { furnish } from "../phases/help.ts";

const INVENTORY = "/api/v1/namespaces/kube-system/configmaps/nodelet-network-plugin";
const DAEMON_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";
const POOL = "/apis/crd.projectcalico.org/v1/ippools/default";
const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ippools.crd.projectcalico.org";
const FILE = "/etc/pf9/kube.d/configs/network-plugin-calico.yaml";
const PODS =
  "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dcalico-node&fieldSelector=spec.nodeName%3Dn1";

const POOL_TEXT = `apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default, creationTimestamp: null}
spec: {cidr: "\${NODELET_CONTAINERS_CIDR}"}
status: {old: true}
`;

const MANIFEST = `${POOL_TEXT}---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system, labels: {a: b}}
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template: {spec: {containers: [{name: node, image: "nodelet.local/calico-node:v1"}]}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ippools.crd.projectcalico.org}
`;

/** A world with a manifest in its bundle, and an API server that serves what it needs. */
async function calicoWorld(
  options: { manifest?: string; config?: object; images?: string[] } = {},
): Promise<World> {
  const { manifest = MANIFEST, config = {}, images = ["calico-node"] } = options;
  const index = fakeIndex([...images.map(imageEntry), manifestEntry("calico", manifest)]);
  const w = await world({ config: { networkPlugin: "calico", ...config }, index });
  await w.root.write("/bundle/manifests/calico", manifest);
  await furnish(w);
  const serve = (group: string, resources: object[]) =>
    w.kube.objects.set(group, { metadata: { name: "" }, resources });
  serve("/apis/apps/v1", [
    { name: "daemonsets", kind: "DaemonSet", namespaced: true },
    { name: "daemonsets/status", kind: "DaemonSet", namespaced: true },
  ]);
  serve("/apis/apiextensions.k8s.io/v1", [
    { name: "customresourcedefinitions", kind: "CustomResourceDefinition" },
  ]);
  serve("/apis/crd.projectcalico.org/v1", [{ name: "ippools", kind: "IPPool" }]);
  w.kube.answer = (method, path) => {
    const [object = ""] = path.split("?");
    if (method === "DELETE") w.kube.objects.delete(object);
    return { status: 200, body: { metadata: { name: "" } } };
  };
  return w;
}

/** Starts the phases of the network. */
async function start(w: World, ctx = w.ctx) {
  await networkConfigure.start(ctx);
  await cniConfigure.start(ctx);
  return await networkPluginStart.start(ctx);
}

const changed = (w: World, config: object) => ({ ...w.ctx, config: { ...w.ctx.config, ...config } });
describe("a manifest of the bundle", () => {
  test("is applied: definitions first, with our label, and without what only the server writes", async () => {
    await using w = await calicoWorld();
    expect(await start(w)).toBe("changed");
    const applied = w.kube.calls.filter((call) => call.startsWith("APPLY") && !call.includes("configmaps"));
    expect(applied).toEqual([`APPLY ${CRD}`, `APPLY ${POOL}`, `APPLY ${DAEMON_SET}`]);
    const { uid: _, resourceVersion: __, ...metadata } = w.kube.objects.get(POOL)!.metadata;
    expect<unknown>({ ...w.kube.objects.get(POOL), metadata }).toEqual({
      apiVersion: "crd.projectcalico.org/v1",
      kind: "IPPool",
      metadata: { name: "default", labels: { "nodelet.pf9.io/network-plugin": "calico" } },
      spec: { cidr: "10.20.0.0/16" },
    });
    expect(w.kube.objects.get(DAEMON_SET)?.metadata.labels).toEqual({
      a: "b",
      "nodelet.pf9.io/network-plugin": "calico",
    });
    expect(await start(w)).toBe("unchanged");
  });

  test("is applied again when an object of it is gone", async () => {
    await using w = await calicoWorld();
    await start(w);
    w.kube.objects.delete(POOL);
    expect(await start(w)).toBe("changed");
    expect(w.kube.objects.has(POOL)).toBe(true);
  });

  test("that was cut off in the middle is written down, and finished by the next run", async () => {
    await using w = await calicoWorld();
    const apply = w.kube.apply;
    w.kube.apply = async (path, object) => {
      if (path === POOL) throw new Error("power cut");
      return await apply(path, object);
    };
    await expect(start(w)).rejects.toThrow("power cut");
    expect(w.kube.objects.get(INVENTORY)?.data).toMatchObject({ plugin: "calico", digest: "" });
    expect(w.kube.objects.get(INVENTORY)?.data.paths.split("\n")).toEqual([CRD, POOL, DAEMON_SET]);
    expect(await networkPluginStart.status?.(w.ctx)).toEqual({
      state: "failed",
      message: "the manifest calico is not applied",
    });
    w.kube.apply = apply;
    expect(await start(w)).toBe("changed");
    expect(w.kube.objects.get(INVENTORY)?.data.digest).toMatch(/^[0-9a-f]{32}$/);
  });

  test("leaves no configuration of ours for CNI, and no chains", async () => {
    await using w = await calicoWorld();
    await w.root.write("/etc/cni/net.d/00-pf9-bridge.conflist", "{}");
    await start(w);
    expect(await w.ctx.host.list("/etc/cni/net.d")).toEqual([]);
  });

  test("is on a worker as well, which applies nothing", async () => {
    await using w = await calicoWorld({ config: { role: "worker" } });
    expect(await start(w)).toBe("unchanged");
    expect(await w.ctx.host.read(FILE)).toBe(MANIFEST);
    expect(w.kube.calls).toEqual([]);
    expect(await networkPluginStart.status?.(w.ctx)).toEqual({ state: "running" });
  });
});

describe("when the plugin is another one", () => {
  test("objects, files, routes and interfaces go; what somebody made his own stays", async () => {
    await using w = await calicoWorld();
    await start(w);
    await w.root.write("/etc/cni/net.d/10-calico.conflist", "{}");
    await w.root.write("/sys/class/net/vxlan.calico/mtu", "1450");
    w.machine.programs.set("ip", () => ({}));
    w.kube.objects.set(POOL, { metadata: { name: "default", labels: {} } });
    w.kube.lists.set("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", [
      { metadata: { name: "calico-node-1" }, spec: { hostNetwork: true } },
      { metadata: { name: "coredns-1" }, spec: {} },
    ]);
    const label = { "io.kubernetes.pod.uid": "1" };
    for (const name of ["k8s-master-n1", "calico-node-1", "coredns-1"])
      w.machine.docker.containers.set(
        name,
        container(name, { labels: { ...label, "io.kubernetes.pod.name": name } }),
      );
    expect(await start(w, changed(w, { networkPlugin: "bridge" }))).toBe("changed");
    expect([CRD, POOL, DAEMON_SET, INVENTORY].filter((path) => w.kube.objects.has(path))).toEqual([POOL]);
    expect(await w.ctx.host.list("/etc/cni/net.d")).toEqual(["00-pf9-bridge.conflist"]);
    expect(await w.ctx.host.exists(FILE)).toBe(false);
    expect(w.machine.calls).toContain("ip link delete vxlan.calico");
    expect([...w.machine.docker.containers.keys()]).toEqual(["k8s-master-n1", "calico-node-1"]);
    expect(await start(w, changed(w, { networkPlugin: "bridge" }))).toBe("unchanged");
  });

  test("a file of CNI that the operator put there is not touched where the plugin never was ours", async () => {
    await using w = await calicoWorld({ config: { networkPlugin: "noop" } });
    await w.root.write("/etc/cni/net.d/10-calico.conflist", "{}");
    await start(w);
    expect(await w.ctx.host.list("/etc/cni/net.d")).toEqual(["10-calico.conflist"]);
  });

  test("namespaces of Kubernetes stay though a manifest names them", async () => {
    const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n";
    await using w = await calicoWorld({ manifest: namespace, images: [] });
    const path = "/api/v1/namespaces/kube-system";
    w.kube.objects.set("/api/v1", {
      metadata: { name: "" },
      resources: [{ name: "namespaces", kind: "Namespace", namespaced: false }],
    });
    await start(w);
    await start(w, changed(w, { networkPlugin: "bridge" }));
    expect(w.kube.objects.has(path)).toBe(true);
  });
});

describe("what the bundle lacks", () => {
  test("a manifest: nothing is changed, and the way out is told", async () => {
    await using w = await world({ config: { networkPlugin: "weave" } });
    await furnish(w);
    await expect(networkConfigure.start(w.ctx)).rejects.toMatchObject({
      message: 'Cannot use the network plugin "weave": the bundle "test-1.20.2" has no manifest "weave"',
      hint: expect.stringContaining("--network-plugin bridge"),
    });
    expect(w.journal.records()).toEqual([]);
  });

  test("an image: nothing is applied", async () => {
    await using w = await calicoWorld({ images: [] });
    await expect(start(w)).rejects.toThrow(
      'Cannot use the network plugin "calico": the bundle "test-1.20.2" lacks images of its manifest: nodelet.local/calico-node:v1',
    );
    expect(w.kube.calls).toEqual([]);
  });

  test("a kind that the API server does not know: it is named", async () => {
    await using w = await calicoWorld();
    w.kube.objects.delete("/apis/crd.projectcalico.org/v1");
    await expect(start(w)).rejects.toThrow(
      'Cannot apply the IPPool "default" within 30 s: the API server has no IPPool of crd.projectcalico.org/v1',
    );
  });
});

describe("the plugin is ready", () => {
  let status: Record<string, number>;
  beforeEach(() => {
    status = { observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 1, numberReady: 1 };
  });
  const pod = (extra: object) => ({ metadata: { name: "p" }, status: { phase: "Pending", ...extra } });
  const READY = { conditions: [{ type: "Ready", status: "True" }] };
  const PULL = { containerStatuses: [{ state: { waiting: { reason: "ErrImagePull" } } }] };

  test.each([
    ["with a pod of this node that is", [pod(READY)], undefined],
    ["not with one that is not", [pod({})], "calico-node 1/2 ready (Pending)"],
    ["not with one that waits", [pod(PULL)], "calico-node 1/2 ready (ErrImagePull)"],
    ["not without one", [], "calico-node 1/2 ready (not on this node yet)"],
  ])("%s", async (_, pods, message) => {
    await using w = await calicoWorld();
    await start(w);
    const found = w.kube.objects.get(DAEMON_SET);
    w.kube.objects.set(DAEMON_SET, { ...found, metadata: { ...found!.metadata, generation: 1 }, status });
    w.kube.lists.set(PODS, pods);
    expect(await networkPluginStart.status?.(w.ctx)).toEqual(
      message ? { state: "failed", message } : { state: "running" },
    );
  });

  test("without one, where every other node has its own", async () => {
    await using w = await calicoWorld();
    await start(w);
    const found = w.kube.objects.get(DAEMON_SET);
    w.kube.objects.set(DAEMON_SET, { ...found!, status: { ...status, currentNumberScheduled: 2 } });
    expect(await networkPluginStart.status?.(w.ctx)).toEqual({ state: "running" });
    await networkPluginStart.ready?.(w.ctx, () => {});
  });
});
