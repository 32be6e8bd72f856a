// What is changed by hand on a node is put back, and the log says what it was and by how much; what is not ours is left alone.
import { describe, expect } from "bun:test";
import { initNode, story } from "../lab/harness.ts";
import { configure, containerFacts, timeToHealthy } from "../lab/heal.ts";

const KUBE = "/etc/pf9/kube.d";
const UNITS = "/etc/systemd/system";
const CONFLIST = "/etc/cni/net.d/00-pf9-bridge.conflist";
const MANIFEST = `${KUBE}/manifests/k8s-master.yaml`;

/** The mode, the owner and the content of a file. */
const fileFacts = (path: string) => `stat -c '%a %U:%G' ${path} && sha256sum <${path}`;

interface Drift {
  what: string;
  act: string;
  /** A shell command whose words must be again what they were. */
  same: string;
  /** Must be true as well. */
  also?: string;
  /** What kube.log says was changed. */
  log: string;
}

/** A file is edited or removed. */
const file = (
  path: string,
  drift: { what: string; act: string } & Partial<Pick<Drift, "same" | "also">>,
): Drift => ({
  same: fileFacts(path),
  log: `file ${path}: `,
  ...drift,
});

const drifts: Drift[] = [
  file(MANIFEST, {
    what: "the static pods' manifest is edited",
    act: `sed -i 's/--v=2/--v=3/' ${MANIFEST}`,
    also: "pgrep -f 'kube-apiserver.*--v=2' && ! pgrep -f -- '^kube-.*--v=3'",
  }),
  file(`${UNITS}/pf9-kubelet.service`, {
    what: "the kubelet's unit is edited, and the kubelet runs with it",
    act: `sed -i 's/--v=2/--v=3/' ${UNITS}/pf9-kubelet.service && systemctl daemon-reload && systemctl restart pf9-kubelet`,
    also: "systemctl show pf9-kubelet -P NeedDaemonReload | grep -q no && pgrep -f 'bin/kubelet .*--v=2'",
  }),
  file(`${UNITS}/pf9-kubelet.service`, {
    what: "the kubelet's unit is removed",
    act: `rm ${UNITS}/pf9-kubelet.service`,
    also: "systemctl show pf9-kubelet -P NeedDaemonReload | grep -q no",
  }),
  file(`${KUBE}/configs/kubelet.yaml`, {
    what: "the kubelet's configuration is edited",
    act: `echo 'maxPods: 7' >>${KUBE}/configs/kubelet.yaml`,
  }),
  file(CONFLIST, { what: "the network's configuration is removed", act: `rm ${CONFLIST}` }),
  file("/etc/pf9/kube.env", {
    what: "kube.env is edited",
    act: "sed -i 's/^export ROLE=.*/export ROLE=worker/' /etc/pf9/kube.env; echo MORE=1 >>/etc/pf9/kube.env",
  }),
  file(`${KUBE}/certs/apiserver.key`, {
    what: "a key is made readable for everybody",
    act: `chmod 0644 ${KUBE}/certs/apiserver.key`,
  }),
  file(`${KUBE}/certs/admin.crt`, {
    what: "a certificate is removed",
    act: `rm ${KUBE}/certs/admin.crt`,
    same: `stat -c %a ${KUBE}/certs/admin.crt && openssl verify -CAfile ${KUBE}/certs/ca.crt ${KUBE}/certs/admin.crt`,
  }),
  file(`${KUBE}/kubeconfigs/kube-scheduler.yaml`, {
    what: "a kubeconfig is removed",
    act: `rm ${KUBE}/kubeconfigs/kube-scheduler.yaml`,
  }),
  {
    what: "a kernel setting is changed",
    act: "sysctl -w net.ipv4.ip_forward=0",
    same: "sysctl -n net.ipv4.ip_forward",
    log: "sysctl net.ipv4.ip_forward: 0 -> 1",
  },
  {
    what: "the kubelet's unit is disabled",
    act: "systemctl disable pf9-kubelet",
    same: "systemctl is-enabled pf9-kubelet",
    log: "unit pf9-kubelet.service: active, not enabled -> active, enabled",
  },
  {
    what: "the daemon's program is removed",
    act: "rm /opt/pf9/nodelet/nodeletd",
    same: fileFacts("/opt/pf9/nodelet/nodeletd"),
    log: "copy /opt/pf9/nodelet/nodeletd: absent -> ",
  },
  file(`${UNITS}/pf9-nodeletd.service`, {
    what: "the daemon's unit is removed",
    act: `rm ${UNITS}/pf9-nodeletd.service`,
    also: "systemctl is-enabled pf9-nodeletd",
  }),
];

/** Files of the operator beside ours. */
const OWN = [`${KUBE}/own.txt`, `${KUBE}/certs/own.crt`, `${UNITS}/own.service`, "/etc/cni/net.d/zz-own.txt"];

describe("on a node with nodeletd", () => {
  let etcd = "";
  const { step } = story({ name: "drift1", ip: "10.88.0.82" }, async (node) => {
    // What has no file of its own is found by looking from time to time.
    await configure(node, "loopInterval: 10\n");
    await initNode(node);
    await node.sh(`for own in ${OWN.join(" ")}; do echo mine >$own; chmod 0604 $own; done`);
    etcd = await containerFacts(node, "etcd");
  });

  for (const { what, act, same, also = "true", log } of drifts) {
    step(`${what}: it is put back, and logged`, async (node) => {
      const before = await node.sh(same);
      const healed = `[ "$(${same})" = '${before}' ] && { ${also}; } >/dev/null`;
      const { changes, events } = await timeToHealthy(node, { what, fault: act, healed });
      const line = changes.find((change) => change.startsWith(log));
      expect(line, `${log} in ${changes.join("\n")}`).toMatch(/: .+ -> .+/);
      expect(events.join("\n")).toMatch(/attempt|starting/);
    });
  }

  step("etcd was touched by none of it, and neither were files of the operator", async (node) => {
    expect(await containerFacts(node, "etcd")).toBe(etcd);
    const facts = await node.sh(`stat -c %a ${OWN.join(" ")} && cat ${OWN.join(" ")}`);
    expect(facts.split("\n")).toEqual([...OWN.map(() => "604"), ...OWN.map(() => "mine")]);
    expect(await node.sh("cat /proc/1/comm; pgrep -c nodeletd")).toBe("systemd\n1");
  });

  step("files that were merely touched change nothing", async (node) => {
    const touched = [MANIFEST, CONFLIST, `${UNITS}/pf9-kubelet.service`, `${KUBE}/certs/apiserver.key`];
    const { changes, events } = await timeToHealthy(node, {
      what: "files touched",
      fault: `touch ${touched.join(" ")}`,
    });
    expect({ changes, events }).toEqual({ changes: [], events: [] });
  });
});
