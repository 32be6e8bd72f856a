// What a user gets from `nodelet init`: a node that runs pods, services, names, logs, exec, and says so.
import { describe, expect } from "bun:test";
import type { ExecResult } from "../../scripts/lab/exec.ts";
import { resolveName } from "../lab/dns.ts";
import { initNode, story, waitUntil } from "../lab/harness.ts";
import { ask, askTillAll, WHO, whoService } from "../lab/objects.ts";
import { diff, snapshot } from "../lab/snapshot.ts";

const PHASES = 21;
/** What a living cluster writes all the time, and the record of the run itself. */
const LIVING =
  /\/var\/opt\/pf9\/etcd\/|\/var\/log\/|\/var\/lib\/kubelet\/|nodelet\/phases\.json|\/run\/nodelet\.lock|process runc$/;

describe("init", () => {
  let done: ExecResult;
  const { step } = story({ name: "e2e-init", ip: "10.88.0.100" }, async (node) => {
    done = await initNode(node);
  });

  step(
    "ends with 0, what it found out and one line a phase on stderr, and the way on from here on stdout",
    async ({ name, ip }) => {
      const [found, ...lines] = done.stderr.trimEnd().split("\n");
      expect(found).toBe(
        `Node "${name}", ${ip} on eth0, with the Docker of this host; bundle kubernetes-1.20.2`,
      );
      expect(done).toMatchObject({ exitCode: 0 });
      expect(
        lines.filter(
          (line) => !/^\[ ?\d+\/21\] \d{3}-[a-z0-9-]+: .+: (done|unchanged), \d+(\.\d)? m?s$/.test(line),
        ),
      ).toEqual([]);
      expect(lines).toHaveLength(PHASES);
      expect(done.stdout.replace(/after .* s\./, "after N s.")).toBe(`Node "${name}" (${ip}) is up after N s.
Look at it:  nodelet status
Use it:      /opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml get nodes
Undo it:     nodelet reset
`);
    },
  );

  step(
    "gives a node that is ready, with its role, its labels and its block of pod addresses",
    async (node) => {
      const found = await node.get(`node ${node.name}`);
      const ready = found.status.conditions.find((one: { type: string }) => one.type === "Ready");
      expect(ready.status).toBe("True");
      expect(found.metadata.labels).toMatchObject({
        "node-role.kubernetes.io/master": "",
        "node-role.kubernetes.io/control-plane": "",
        "kubernetes.io/hostname": node.name,
      });
      expect(found.spec).toMatchObject({ podCIDR: "10.20.0.0/24" });
      expect(found.spec.taints).toBeUndefined();
      expect(found.status.nodeInfo.kubeletVersion).toBe("v1.20.2");
    },
  );

  step("runs the control plane and the DNS as pods of kube-system", async (node) => {
    const pods = await waitUntil(
      async () => {
        const { items } = await node.get("pods -n kube-system");
        const ready = items.filter((pod: { status: { containerStatuses?: { ready: boolean }[] } }) =>
          pod.status.containerStatuses?.every((one) => one.ready),
        );
        return ready.length >= 2 && items;
      },
      { what: "two pods of kube-system with all containers ready", deadlineMs: 60_000 },
    );
    const names = pods.map((pod: { metadata: { name: string } }) => pod.metadata.name).sort();
    expect(names).toEqual([expect.stringMatching(/^coredns-/), `k8s-master-${node.name}`]);
  });

  step(
    "lets a service with two endpoints answer from the host, from a pod and from outside",
    async (node) => {
      const image = await node.sh("docker images --format '{{.Repository}}:{{.Tag}}' | grep /etcd:");
      await node.apply(...whoService({ image, replicas: 2, nodePort: WHO.nodePort }));
      const pods = await waitUntil(
        async () => {
          const { subsets } = await node.get("endpoints who");
          const addresses: { targetRef: { name: string } }[] = subsets?.[0]?.addresses ?? [];
          return addresses.length === 2 && addresses.map((one) => one.targetRef.name).sort();
        },
        { what: "two endpoints of the service who", deadlineMs: 60_000 },
      );
      const { clusterIP } = (await node.get("service who")).spec;
      const fromHost = (address: string) => () => ask(node, address);
      const fromPod = async () => {
        const target = `http://who.default.svc.cluster.local:${WHO.port}`;
        const args = [
          "exec",
          pods[0] as string,
          "--",
          "etcdctl",
          `--endpoints=${target}`,
          "member",
          "list",
          "-w",
          "json",
        ];
        return await node.kubectl(args);
      };
      const fromOutside = async () => {
        const response = await fetch(`http://${node.ip}:${WHO.nodePort}${WHO.path}`, {
          method: "POST",
          body: "{}",
          keepalive: false,
        });
        return { exitCode: 0, stdout: await response.text() };
      };
      expect(await askTillAll(fromHost(`${clusterIP}:${WHO.port}`), pods)).toEqual(pods);
      expect(await askTillAll(fromHost(`127.0.0.1:${WHO.nodePort}`), pods)).toEqual(pods);
      expect(await askTillAll(fromHost(`${node.ip}:${WHO.nodePort}`), pods)).toEqual(pods);
      expect(await askTillAll(fromPod, pods)).toEqual(pods);
      expect(await askTillAll(fromOutside, pods)).toEqual(pods);
    },
  );

  step("resolves the names of services at the address of the DNS service", async (node) => {
    const { clusterIP } = (await node.get("service who")).spec;
    expect(await resolveName(node, { server: "10.21.0.10", name: "who.default.svc.cluster.local" })).toBe(
      clusterIP,
    );
    expect(
      await resolveName(node, { server: "10.21.0.10", name: "kubernetes.default.svc.cluster.local" }),
    ).toBe("10.21.0.1");
    expect(
      await resolveName(node, { server: "10.21.0.10", name: "nobody.default.svc.cluster.local" }),
    ).toBeUndefined();
  });

  step("gives logs of a pod, runs programs in it and forwards ports to it", async (node) => {
    const logs = await node.kubectl(["logs", "deployment/who", "--tail=200"]);
    expect(logs).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^(Found 2 pods.*\n)?$/) });
    expect(logs.stdout).toContain("ready to serve client requests");
    expect(await node.kubectl(["exec", "deployment/who", "--", "etcdctl", "version"])).toEqual({
      exitCode: 0,
      stdout: "etcdctl version: 3.4.23\nAPI version: 3.4\n",
      stderr: "",
    });
    const forward = await node.host.spawn([
      ...["/opt/pf9/bin/kubectl", "--kubeconfig", "/etc/pf9/kube.d/kubeconfigs/admin.yaml"],
      ...["port-forward", "deployment/who", "12379:2379"],
    ]);
    const answer = await waitUntil(async () => await node.sh("curl -sS -m 5 http://127.0.0.1:12379/health"), {
      what: "the forwarded port",
      deadlineMs: 20_000,
    }).finally(() => forward.kill());
    expect(JSON.parse(answer)).toEqual({ health: "true" });
  });

  step("changes nothing when it is run again", async (node) => {
    const before = await snapshot(node.host);
    const again = await node.nodelet(["init", "-o", "json"]);
    const after = await snapshot(node.host);
    expect(again).toMatchObject({ exitCode: 0 });
    expect(again.stderr.split("\n").filter((line) => line && !/: unchanged, /.test(line))).toEqual([]);
    const report = JSON.parse(again.stdout);
    expect(report).toMatchObject({ node: node.name, ip: node.ip, changed: [] });
    expect(report.phases.map((phase: { outcome: string }) => phase.outcome)).toEqual(
      Array(PHASES).fill("unchanged"),
    );
    expect(diff(before, after).filter((line) => !LIVING.test(line))).toEqual([]);
  });

  step("writes nothing that a component does not understand", async (node) => {
    // The one way to turn the plain port off, in this version, is a deprecated flag.
    const complaints =
      "unknown (field|flag)|strict decod|(?<!^Flag --port) has been deprecated|are ignored|failed to (load|parse|decode)";
    const logs = {
      kubelet: "journalctl -u pf9-kubelet -o cat --no-pager",
      proxy: "docker logs proxy 2>&1",
      etcd: "docker logs etcd 2>&1",
      apiserver:
        "docker logs $(docker ps -q --filter label=io.kubernetes.container.name=kube-apiserver) 2>&1",
      manager:
        "docker logs $(docker ps -q --filter label=io.kubernetes.container.name=kube-controller-manager) 2>&1",
      scheduler:
        "docker logs $(docker ps -q --filter label=io.kubernetes.container.name=kube-scheduler) 2>&1",
    };
    for (const [component, show] of Object.entries(logs)) {
      const text = await node.sh(show);
      expect(text.split("\n").length, component).toBeGreaterThan(5);
      expect(text.split("\n").filter((line) => new RegExp(complaints, "i").test(line))).toEqual([]);
    }
  });

  step("gives each identity its rights and no others", async (node) => {
    const can = async (as: string, verb: string, what: string) => {
      const answer = await node.kubectl(["auth", "can-i", verb, what, "--all-namespaces"], { as });
      return answer.stdout.split(/\s/)[0] ?? "";
    };
    const table = [
      ["admin", "*", "*", "yes"],
      ["kube-controller-manager", "list", "pods", "yes"],
      ["kube-controller-manager", "delete", "nodes", "no"],
      ["kube-scheduler", "list", "pods", "yes"],
      ["kube-scheduler", "list", "secrets", "no"],
      ["kube-proxy", "watch", "services", "yes"],
      ["kube-proxy", "list", "secrets", "no"],
      ["kubelet", "list", "services", "yes"],
      ["kubelet", "list", "secrets", "no"],
      ["kubelet", "create", "deployments", "no"],
    ] as const;
    const answers = await Promise.all(
      table.map(async ([as, verb, what]) => [as, verb, what, await can(as, verb, what)] as const),
    );
    expect(answers).toEqual([...table]);
  });

  step("lets the kubelet take its configuration from the cluster, and changes of it too", async (node) => {
    const configz = async () => {
      const { stdout } = await node.kubectl(["get", "--raw", `/api/v1/nodes/${node.name}/proxy/configz`]);
      return JSON.parse(stdout).kubeletconfig as { maxPods: number; clusterDNS: string[] };
    };
    expect(await configz()).toMatchObject({ maxPods: 200, clusterDNS: ["10.21.0.10"] });
    const active = async () => (await node.get(`node ${node.name}`)).status.config?.active?.configMap;
    const name = "master-default-kubelet-config";
    expect(
      await waitUntil(active, { what: "an active configuration on the node", deadlineMs: 60_000 }),
    ).toMatchObject({ name });
    // The daemon would put back what is not from the configuration.
    await node.sh("systemctl stop pf9-nodeletd");
    const map = await node.get(`configmap ${name} -n kube-system`);
    const kubelet: string = map.data.kubelet.replace("maxPods: 200", "maxPods: 123");
    await node.kubectl([
      "patch",
      "configmap",
      name,
      "-n",
      "kube-system",
      "-p",
      JSON.stringify({ data: { kubelet } }),
    ]);
    await waitUntil(async () => (await configz()).maxPods === 123, {
      what: "123 pods at most",
      deadlineMs: 90_000,
    });
    const version = (await node.get(`configmap ${name} -n kube-system`)).metadata.resourceVersion;
    await waitUntil(async () => (await active())?.resourceVersion === version, {
      what: "the new version active on the node",
      deadlineMs: 60_000,
    });
    await node.sh("systemctl start pf9-nodeletd");
    await waitUntil(async () => (await configz()).maxPods === 200, {
      what: "what the configuration says again",
      deadlineMs: 90_000,
    });
  });
});
