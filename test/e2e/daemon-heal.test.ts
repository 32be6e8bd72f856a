// A node whose components are killed or removed one by one is well again without a hand, and loses nothing.
import { describe, expect } from "bun:test";
import { basename } from "node:path";
import { initNode, story, type TestNode } from "../lab/harness.ts";
import { HEALTH_FIELDS } from "../lab/health-fields.ts";
import { containerFacts, eventsOf, health, timeToHealthy, twoLooks } from "../lab/heal.ts";

/** Programs by their command lines, since the kernel cuts the names of processes. */
const PROGRAMS: { path: string; healed?: string }[] = [
  { path: "/usr/sbin/dockerd" },
  // Everything goes on to run without it, but the engine starts nothing before it has found it again.
  { path: "/usr/bin/containerd", healed: "docker info -f '{{.ContainerdCommit.ID}}' | grep -q '[0-9]'" },
  { path: "/opt/pf9/bin/kubelet" },
  { path: "etcd" },
  { path: "kube-apiserver" },
  { path: "kube-controller-manager" },
  { path: "kube-scheduler" },
  { path: "kube-proxy" },
  { path: "coredns" },
];

/** Names of the containers of our own pods, sandboxes included. */
async function podContainers(node: TestNode): Promise<string[]> {
  const names = await node.sh("docker ps --format '{{.Names}}' --filter name=k8s_ | sort");
  return names.split("\n");
}

/** `k8s_etcd_etcd-n1_kube-system_<uid>_0` without what is different the next time. */
const stem = (name: string) => name.split("_").slice(0, 3).join("_");

describe("a node with nodeletd", () => {
  const { step } = story({ name: "heal1", ip: "10.88.0.81" }, async (node) => {
    await initNode(node);
  });

  step("runs it enabled, watched and hardened", async (node) => {
    const wanted = {
      ActiveState: "active",
      UnitFileState: "enabled",
      Restart: "always",
      WatchdogUSec: "1min",
      NoNewPrivileges: "yes",
      RestrictSUIDSGID: "yes",
      LockPersonality: "yes",
      NRestarts: "0",
      StartLimitIntervalUSec: "0",
    };
    const shown = await node.sh(`systemctl show pf9-nodeletd -p ${Object.keys(wanted).join(",")}`);
    const found = Object.fromEntries(shown.split("\n").map((line) => line.split("=")));
    expect(found).toEqual(wanted);
    expect(await node.sh("readlink -f /proc/$(systemctl show pf9-nodeletd -P MainPID)/exe")).toBe(
      "/opt/pf9/nodelet/nodeletd",
    );
  });

  step("has a health document with the known fields, and nothing to do", async (node) => {
    await twoLooks(node);
    const document = await health(node);
    expect(Object.keys(document).sort()).toEqual(HEALTH_FIELDS.toSorted());
    const { clusterId } = JSON.parse(await node.sh("cat /var/opt/pf9/nodelet/cluster.json"));
    expect(document).toMatchObject({
      pf9_kube_node_state: "ok",
      pf9_kube_service_state: "true",
      pf9_kube_start_attempt: 0,
      pf9_cluster_role: "master",
      pf9_cluster_id: clusterId,
      last_failed_task: "",
      last_failed_status_check: "",
      last_failed_status_time: 0,
      current_task: "",
      completed_tasks: document["all_tasks"],
    });
    expect((await eventsOf(node)).map(({ what }) => what)).toEqual([
      expect.stringMatching(/^nodelet \S+ keeps this node$/),
      "node is ok",
    ]);
  });

  for (const { path, healed } of PROGRAMS) {
    const name = basename(path);
    step(`is well again after a SIGKILL of ${name}`, async (node) => {
      const pattern = `-f '^(/usr/local/bin/|/)?${path}( |$)'`;
      // One whose lease an earlier fault has cost it ends by itself, and is started again in a moment.
      const there = `for i in $(seq 600); do pgrep ${pattern} >/dev/null && break; sleep 0.1; done`;
      const fault = `${there}; pkill -9 ${pattern}`;
      await timeToHealthy(node, { what: `kill -9 ${name}`, fault, ...(healed && { healed }) });
    });
  }

  step("leaves etcd, the kubelet and all pods alone when the container proxy is gone", async (node) => {
    const look = async () => {
      const { items } = await node.get("pods -A");
      return {
        etcd: await containerFacts(node, "etcd"),
        kubelet: await node.sh("systemctl show pf9-kubelet -P MainPID"),
        unschedulable: (await node.get(`node ${node.name}`)).spec.unschedulable,
        pods: items.map((pod: Pod) => [
          pod.metadata.uid,
          pod.status.containerStatuses.map(({ restartCount }) => restartCount),
        ]),
      };
    };
    const before = await look();
    const { changes, events } = await timeToHealthy(node, {
      what: "docker rm -f proxy",
      fault: "docker rm -f proxy",
    });
    expect(await look()).toEqual(before);
    expect(before.pods.length).toBeGreaterThan(1);
    expect(changes).toEqual([expect.stringMatching(/^container proxy: absent -> running/)]);
    expect(events).toContain("all checks are good again");
  });

  step("is well again after docker rm -f of each container", async (node) => {
    const names = ["etcd", "balancer", ...(await podContainers(node))];
    expect(names.map(stem)).toHaveLength(8);
    for (const name of names) {
      const short = stem(name);
      // The one that is there now: an earlier fault may have brought a new one.
      const fault = `docker rm -f $(docker ps -q --filter name='^/?${short}' | head -n 1)`;
      // A pod goes on for a moment without its sandbox; it must have got another one.
      const healed = `[ -n "$(docker ps -q --filter name='^/?${short}')" ]`;
      await timeToHealthy(node, { what: `docker rm -f ${short}`, fault, healed });
    }
  });

  step("is well again with the same data after all of Docker's was wiped", async (node) => {
    const { uid } = (await node.get("namespace kube-system")).metadata;
    const programs = ["etcd", "kube-apiserver", "kube-scheduler", "kube-proxy", "coredns"];
    await timeToHealthy(node, {
      what: "Docker's data wiped",
      // What runs goes on without the engine, and keeps its mounts: those cannot be removed.
      // Under the lock: a daemon that starts Docker meanwhile would do so on half of its data.
      fault:
        "flock /run/nodelet.lock bash -c 'systemctl stop docker.socket docker.service; rm -rf /var/lib/docker/* 2>/dev/null; systemctl start docker.service'",
      // Each program runs once, and it is the one that the engine knows.
      healed: `[ "$(pgrep -xc "${programs.join("|")}")" = ${programs.length} ] && ! docker ps | grep -q Restarting`,
    });
    await twoLooks(node);
    expect((await health(node)).pf9_kube_node_state).toBe("ok");
    expect((await node.get("namespace kube-system")).metadata.uid).toBe(uid);
  });
});

interface Pod {
  metadata: { uid: string };
  status: { containerStatuses: { restartCount: number }[] };
}
