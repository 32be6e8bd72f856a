// A bare host, without Docker, packet filter tools, default route and name server, is a whole node after `nodelet init` of the
// one file; it stays one through faults and a power cut; and nothing ever leaves it, nor is a package of it touched.
import { describe, expect } from "bun:test";
import { type Egress, countEgress } from "../../scripts/lab/egress.ts";
import { expectHealthy } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { timeToHealthy } from "../lab/heal.ts";
import { ask, askTillAll, WHO, whoPod, whoService } from "../lab/objects.ts";
import { openOutside, openWay } from "../lab/outside.ts";
import { operate, type PhaseLine, phases } from "../lab/phases.ts";
import { comesBack, cutPower, keepData } from "../lab/power.ts";

const KUBECTL = ["/opt/pf9/bin/kubectl", "--kubeconfig", "/etc/pf9/kube.d/kubeconfigs/admin.yaml"];
const HOST_PORT = 30999;

/** Everything that packages own, and dpkg's own memory, as one digest. */
const packages = (node: TestNode) =>
  node.sh(`find /usr /bin /sbin /lib /lib64 /etc/apt /etc/dpkg /var/lib/dpkg /var/lib/apt -xdev -path /usr/local -prune -o \
-printf '%y %M %U:%G %s %T@ %p %l\\n' | sort | sha256sum; find /usr /var/lib/dpkg -xdev -path /usr/local -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum`);

/** A pod with an image that is nowhere. */
const lostPod = (name: string, image: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "lost", image }] },
});

/** Waits for what the kubelet says of an image that it does not get. @returns the words */
async function refusalOf(node: TestNode, { name, image }: { name: string; image: string }): Promise<string> {
  const begun = performance.now();
  await node.apply(lostPod(name, image));
  const message = await waitUntil(
    async () => {
      const { items } = await node.get(`events --field-selector involvedObject.name=${name},reason=Failed`);
      const found = items.map((one: { message: string }) => one.message);
      return found.find((one: string) => one.startsWith("Failed to pull")) as string | undefined;
    },
    { what: `an event about ${image}`, deadlineMs: 30_000 },
  );
  process.stderr.write(`${image}: refused after ${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
  await node.kubectl(["delete", "pod", name, "--now", "--wait=false"]);
  return message;
}

describe("a bare host", () => {
  let egress: Egress;
  let packed: string;
  let since: number;
  let image: string;
  const { step } = story({ name: "e2e-bare-init", ip: "10.89.0.21", bare: true }, async (node) => {
    egress = await countEgress(node.name);
    packed = await packages(node);
    since = Date.now();
    await initNode(node);
    image = await node.sh("docker images --format '{{.Repository}}:{{.Tag}}' | grep /etcd:");
  });

  step("is a node that is Ready, and all phases run", async (node) => {
    const { conditions, nodeInfo } = (await node.get(`node ${node.name}`)).status;
    expect(conditions.find((one: { type: string }) => one.type === "Ready").status).toBe("True");
    expect(nodeInfo.containerRuntimeVersion).toStartWith("docker://");
    await expectHealthy(node);
  });

  step(
    "lets pods, the host and others reach a service and a host port; names are resolved in pods",
    async (node) => {
      await node.apply(...whoService({ image, replicas: 1, nodePort: WHO.nodePort }), {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "door", namespace: "default", labels: { app: "door" } },
        spec: withHostPort(whoPod(image)),
      });
      const pod = await waitUntil(
        async () => {
          const { items } = await node.get("pods");
          const ready = (one: any) => one.status.containerStatuses?.every((each: any) => each.ready);
          return (
            items.length === 2 && items.every(ready) && items.find((one: any) => one.metadata.name !== "door")
          );
        },
        { what: "two pods that are ready", deadlineMs: 90_000 },
      );
      const name = pod.metadata.name as string;
      const { clusterIP } = (await node.get("service who")).spec;
      const fromPod = () =>
        node.kubectl([
          ...[
            "exec",
            "door",
            "--",
            "etcdctl",
            `--endpoints=http://who.default.svc.cluster.local:${WHO.port}`,
          ],
          ...["member", "list", "-w", "json"],
        ]);
      const fromOutside = (port: number) => async () => {
        const response = await fetch(`http://${node.ip}:${port}${WHO.path}`, { method: "POST", body: "{}" });
        return { exitCode: 0, stdout: await response.text() };
      };
      expect(await askTillAll(fromPod, [name])).toEqual([name]);
      expect(await askTillAll(() => ask(node, `${clusterIP}:${WHO.port}`), [name])).toEqual([name]);
      expect(await askTillAll(fromOutside(WHO.nodePort), [name])).toEqual([name]);
      expect(await askTillAll(fromOutside(HOST_PORT), ["door"])).toEqual(["door"]);
    },
  );

  step("gives logs of a pod, runs programs in it and forwards ports to it", async (node) => {
    expect((await node.kubectl(["logs", "door"])).stdout).toContain("ready to serve client requests");
    expect(await node.kubectl(["exec", "door", "--", "etcdctl", "version"])).toMatchObject({
      exitCode: 0,
      stderr: "",
    });
    const forward = await node.host.spawn([...KUBECTL, "port-forward", "door", "12379:2379"]);
    try {
      expect(await askTillAll(() => ask(node, "127.0.0.1:12379"), ["door"])).toEqual(["door"]);
    } finally {
      await forward.kill();
    }
  });

  const lost = ["busybox:1.36", "quay.io/coreos/etcd:v3.5.0", "nodelet.local/kube-nothing:v1"];

  step("says at once which image it does not have", async (node) => {
    for (const [at, one] of lost.entries()) {
      const message = await refusalOf(node, { name: `lost-${at}`, image: one });
      expect(message).toStartWith(`Failed to pull image "${one}": `);
      expect(message).toContain("connection refused");
    }
  });

  step("asks nobody for an image, where there is a way out and somebody who would answer", async (node) => {
    await using outside = await openOutside(node);
    {
      await using _ = await openWay(node);
      // What is asked is seen.
      await node.sh("getent hosts registry.example >&2; : >/dev/tcp/10.89.0.1/443");
      expect(outside.taken()).toEqual(expect.arrayContaining(["udp 53 registry.example", "tcp 443"]));
      for (const [at, one] of lost.entries())
        expect(await refusalOf(node, { name: `found-${at}`, image: one })).toContain("connection refused");
      expect(outside.taken()).toEqual([]);
      // A name that the cluster has not is not asked for elsewhere.
      const outer = [
        "exec",
        "door",
        "--",
        "etcdctl",
        "--endpoints=http://registry.example:80",
        "member",
        "list",
      ];
      expect((await node.kubectl(outer)).exitCode).not.toBe(0);
      expect(outside.taken()).toEqual([]);
    }
  });

  step("changes nothing when init is run again", async (node) => {
    const again = await node.nodelet(["init", "-o", "json"]);
    expect(again.exitCode).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ node: node.name, ip: node.ip, changed: [] });
  });

  step("lists its phases, stops all of them and starts them again", async (node) => {
    const kept = await keepData(node, "before the stop");
    expect(JSON.parse((await phases(node, "list", "-o", "json")).stdout)).toHaveLength(21);
    await operate(node, "stop");
    const stopped = JSON.parse((await phases(node, "status", "-o", "json")).stdout) as PhaseLine[];
    const running = stopped.filter(({ status }) => status === "running").map(({ id }) => id);
    expect(running).toEqual(["060-network-configure", "075-misc-scripts", "115-network-plugin"]);
    expect(await node.sh("pgrep -c 'dockerd|containerd|kubelet|etcd' || true")).toBe("0");
    await operate(node, "start");
    await expectHealthy(node);
    await kept();
  });

  const faults = [
    { what: "the engine is killed", fault: "systemctl kill --kill-whom=main -s KILL pf9-docker" },
    { what: "the engine is killed with all that it started", fault: "systemctl kill -s KILL pf9-docker" },
    { what: "the engine is stopped", fault: "systemctl stop pf9-docker" },
    { what: "etcd and kube-proxy are removed", fault: "docker rm -f etcd proxy" },
  ];
  for (const fault of faults)
    step(`heals when ${fault.what}`, async (node) => void (await timeToHealthy(node, fault)));

  step("comes back after a power cut", async (node) => {
    const kept = await keepData(node, "before the power cut");
    const power = await cutPower(node);
    await comesBack(node, { what: "power cut of a bare host", since: power, watchNode: true });
    await kept();
    await waitUntil(async () => (await ask(node, `127.0.0.1:${WHO.nodePort}`)).exitCode === 0, {
      what: "the service",
      deadlineMs: 60_000,
    });
  });

  step("let no packet out in more than a minute, and touched no package", async (node) => {
    await waitUntil(async () => Date.now() - since > 60_000, {
      what: "a minute of life",
      deadlineMs: 60_000,
    });
    expect(await egress.read()).toEqual({ packets: 0, bytes: 0 });
    await egress.stop();
    expect(await packages(node)).toBe(packed);
  });
});

function withHostPort(spec: ReturnType<typeof whoPod>) {
  const ports = [{ containerPort: WHO.port, hostPort: HOST_PORT }];
  return { ...spec, containers: spec.containers.map((one) => ({ ...one, ports })) };
}
