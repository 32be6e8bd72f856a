// Every component of a running node is killed: status names it, and `phases start` brings it back.
import { describe, expect } from "bun:test";
import { initNode, story, waitUntil } from "../lab/harness.ts";
import { operate, wrong } from "../lab/phases.ts";

const podContainer = (name: string) => `$(docker ps -q --filter label=io.kubernetes.container.name=${name})`;

const KUBECTL = "/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml";

interface Fault {
  what: string;
  act: string;
  /** What must be undone even when nothing heals. */
  undo?: string;
  says: Record<string, RegExp>;
  /** Nothing else is wrong. */
  only?: boolean;
}

/** What is done to the node, and what status says of the phase that is about it. */
const faults: Fault[] = [
  {
    what: "etcd's container is removed",
    act: "docker rm -f etcd",
    says: { "055-etcd-run": /^stopped: there is no container etcd$/ },
  },
  {
    what: "kube-proxy's container is removed",
    act: "docker rm -f proxy",
    says: { "090-kube-proxy-start": /^stopped: there is no container proxy$/ },
    only: true,
  },
  {
    what: "kube-proxy's container is stopped",
    act: "docker stop -t 1 proxy",
    says: { "090-kube-proxy-start": /^failed: the container proxy is exited \(\d+\)$/ },
    only: true,
  },
  {
    what: "etcd hangs",
    act: "docker pause etcd",
    // A host with a paused container in it cannot be removed.
    undo: "docker unpause etcd 2>/dev/null || true",
    says: { "055-etcd-run": /^failed: the container etcd is paused/ },
  },
  {
    what: "the API server is killed",
    act: `docker kill ${podContainer("kube-apiserver")}`,
    says: { "100-wait-for-k8s-services": /^stopped: kube-apiserver.* not ready$/ },
  },
  {
    what: "the scheduler and the controller manager are killed",
    act: `docker kill ${podContainer("kube-scheduler")} ${podContainer("kube-controller-manager")}`,
    says: { "100-wait-for-k8s-services": /^stopped: kube-controller-manager, kube-scheduler not ready$/ },
    only: true,
  },
  {
    what: "the kubelet is killed",
    act: "systemctl kill -s KILL pf9-kubelet",
    says: {
      "080-kubelet-configure-start":
        /^failed: the (unit pf9-kubelet.service is activating|kubelet is not healthy on port 10248)$/,
    },
  },
  {
    what: "CoreDNS is deleted",
    // Until its pods are gone too, which would serve for some seconds more.
    act: `${KUBECTL} -n kube-system delete deployment coredns --cascade=foreground --timeout=120s`,
    says: {
      "140-validate-dns": /^failed: 10\.21\.0\.10 does not resolve kubernetes\.default\.svc\.cluster\.local$/,
    },
    only: true,
  },
  {
    what: "a kernel setting is changed",
    act: "sysctl -w net.ipv4.ip_forward=0",
    says: { "060-network-configure": /^failed: net\.ipv4\.ip_forward is 0; expected 1$/ },
    only: true,
  },
  {
    what: "an image is untagged",
    act: "docker rmi -f $(docker images --format '{{.Repository}}:{{.Tag}}' | grep coredns)",
    says: { "048-load-images": /^failed: missing: .*coredns:/ },
    only: true,
  },
  {
    what: "a certificate is lost",
    act: "rm /etc/pf9/kube.d/certs/kube-proxy.crt",
    says: { "020-gen-certs": /^failed: kube-proxy: there is no such file$/ },
    only: true,
  },
  {
    what: "a label of the node is taken away",
    act: "/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml label node --all node-role.kubernetes.io/master-",
    says: { "110-label-taint-node": /^failed: labels, taints or the pod block are not as configured$/ },
    only: true,
  },
];

describe("a node on which", () => {
  const { step } = story({ name: "e2e-broken", ip: "10.88.0.105" }, async (node) => {
    await initNode(node);
    // It would heal what is broken here before anybody has looked.
    await node.sh("systemctl stop pf9-nodeletd");
    expect(await wrong(node)).toEqual({});
  });

  for (const fault of faults) {
    step(`${fault.what} is named by status and healed by start`, async (node) => {
      const found = await wrong(node, fault.act);
      await operate(node, "start").finally(() => node.sh(fault.undo ?? "true"));
      // What an etcd that hung has cost a component its lease ends only now: after 10 s, and the kubelet waits up to 40 s to start again what ended often.
      await waitUntil(async () => Object.keys(await wrong(node)).length === 0, {
        what: "every phase running",
        deadlineMs: 90_000,
      });
      for (const [id, words] of Object.entries(fault.says)) {
        expect(found).toHaveProperty([id]);
        expect(found[id]).toMatch(words);
      }
      if (fault.only) expect(Object.keys(found)).toEqual(Object.keys(fault.says));
    });
  }
});
