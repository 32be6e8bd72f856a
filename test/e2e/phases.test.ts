// `nodelet phases`: list, status, stop, start and restart of a node, whole and in parts.
import { describe, expect } from "bun:test";
import { parse } from "yaml";
import { initNode, story, type TestNode } from "../lab/harness.ts";
import { whoAlone } from "../lab/objects.ts";
import { operate, type PhaseLine, phases, wrong } from "../lab/phases.ts";

const CERTS = "/etc/pf9/kube.d/certs";
const PHASES = 21;
const WITHOUT_CHECK = [
  "030-prepare-kube-configs",
  "040-docker-configure",
  "050-etcd-configure",
  "065-cni-configure",
  "210-drain-pods",
];

const containerId = (node: TestNode, name: string) =>
  node.sh(`docker inspect -f '{{.Id}} {{.State.StartedAt}}' ${name}`);

describe("phases", () => {
  const { step } = story({ name: "e2e-phases", ip: "10.88.0.104" }, async (node) => {
    await initNode(node);
    const kubectl = "/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml";
    await node.sh(`${kubectl} create configmap kept --from-literal=a=b`);
  });

  step("lists and probes the same phases in all formats", async (node) => {
    const list = await phases(node, "list");
    expect(list).toMatchObject({ exitCode: 0, stderr: "" });
    const rows = list.stdout.trimEnd().split("\n");
    expect(rows[0]).toMatch(/^INDEX NUMBER {2,}FILE NAME {2,}NAME {2,}STATUS CHECK$/);
    expect(rows[1]).toMatch(
      /^1 {2,}020-gen-certs {2,}Generate certs \/ Send signing request to CA {2,}true$/,
    );
    expect(rows).toHaveLength(PHASES + 1);
    const table = await phases(node, "status");
    expect(table).toMatchObject({ exitCode: 0, stderr: "" });
    expect(table.stdout.split("\n")[0]).toMatch(
      /^INDEX NUMBER +FILE NAME +NAME +STATUS CHECK +PHASE STATUS +MESSAGE$/,
    );
    const json = JSON.parse((await phases(node, "status", "-o", "json")).stdout) as PhaseLine[];
    expect(parse((await phases(node, "status", "-o", "yaml")).stdout)).toEqual(json);
    expect(json.map((one) => one.index)).toEqual(json.map((_, at) => at + 1));
    expect(json.filter((one) => one.status === "N/A").map((one) => one.id)).toEqual(WITHOUT_CHECK);
    expect(json.filter((one) => one.status === "running")).toHaveLength(PHASES - WITHOUT_CHECK.length);
    for (const row of table.stdout.trimEnd().split("\n").slice(1)) {
      const id = row.split(/ {2,}/)[1] as string;
      expect([id, /N\/A$/.test(row)]).toEqual([id, WITHOUT_CHECK.includes(id)]);
    }
  });

  step("probes one phase by index or id, and knows no others", async (node) => {
    const byIndex = await phases(node, "status", "-p", "7", "-o", "json");
    const byId = await phases(node, "status", "--phase", "055-etcd-run", "-o", "json");
    expect(JSON.parse(byIndex.stdout)).toMatchObject([{ index: 7, id: "055-etcd-run", status: "running" }]);
    expect(byId).toEqual(byIndex);
    const none = await phases(node, "status", "-p", "99");
    expect(none).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining(`"99"; expected an index from 1 to ${PHASES}`),
    });
  });

  step("stops one phase alone, says so, and starts it again", async (node) => {
    const cases = [
      ["090-kube-proxy-start", { "090-kube-proxy-start": "stopped: there is no container proxy" }],
      [
        "080-kubelet-configure-start",
        { "080-kubelet-configure-start": "stopped: the unit pf9-kubelet.service is inactive" },
      ],
      ["055-etcd-run", { "055-etcd-run": "stopped: there is no container etcd" }],
    ] as const;
    for (const [id, expected] of cases) {
      expect(await operate(node, "stop", "-p", id, "--single")).toEqual([id]);
      expect(await wrong(node)).toMatchObject(expected);
      expect(await operate(node, "start", "-p", id, "--single")).toEqual([id]);
      await operate(node, "start");
      expect(await wrong(node)).toEqual({});
    }
  });

  step("stops down to a phase and starts from it, leaving those before alone", async (node) => {
    const etcd = await containerId(node, "etcd");
    const stopped = await operate(node, "stop", "--till-phase", "11");
    expect(stopped).toEqual(["090-kube-proxy-start", "080-kubelet-configure-start"]);
    expect(Object.keys(await wrong(node)).slice(0, 2)).toEqual([
      "080-kubelet-configure-start",
      "090-kube-proxy-start",
    ]);
    const started = await operate(node, "start", "--from-phase", "11");
    expect(started).toEqual(expect.arrayContaining(["080-kubelet-configure-start", "090-kube-proxy-start"]));
    expect(await wrong(node)).toEqual({});
    expect(await containerId(node, "etcd")).toBe(etcd);
    expect((await node.get(`node ${node.name}`)).spec.unschedulable).toBeUndefined();
  });

  step("restarts from kube-proxy on, without a drain and without touching etcd", async (node) => {
    const [etcd, proxy] = [await containerId(node, "etcd"), await containerId(node, "proxy")];
    const pods = async () => {
      const { items } = await node.get("pods -n kube-system -l k8s-app=kube-dns");
      return items.map((pod: { metadata: { uid: string } }) => pod.metadata.uid);
    };
    const before = await pods();
    expect(await operate(node, "restart", "-p", "kube-proxy-start")).toEqual(["090-kube-proxy-start"]);
    expect(await containerId(node, "etcd")).toBe(etcd);
    expect(await containerId(node, "proxy")).not.toBe(proxy);
    expect(await pods()).toEqual(before);
    expect(await wrong(node)).toEqual({});
  });

  step("stops all, drained and cordoned, and starts again with its data and its authority", async (node) => {
    const ca = await node.sh(
      `sha256sum ${CERTS}/ca.crt ${CERTS}/ca.key ${CERTS}/etcd/ca.crt ${CERTS}/sa.key`,
    );
    const stopped = await operate(node, "stop");
    expect(stopped).toContain("210-drain-pods");
    expect(await node.sh("docker ps -q")).toBe("");
    expect(await node.sh(`find ${CERTS} -name '*.crt' ! -name '*ca.crt'`)).toBe("");
    expect(Object.keys(await wrong(node))).toContain("055-etcd-run");
    const again = await phases(node, "stop", "-o", "json");
    expect(again).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(again.stdout).changed).toEqual([]);
    expect(await operate(node, "start")).toContain("130-uncordon-node");
    expect(await wrong(node)).toEqual({});
    expect((await node.get("configmap kept")).data).toEqual({ a: "b" });
    expect((await node.get(`node ${node.name}`)).spec.unschedulable).toBeUndefined();
    expect(
      await node.sh(`sha256sum ${CERTS}/ca.crt ${CERTS}/ca.key ${CERTS}/etcd/ca.crt ${CERTS}/sa.key`),
    ).toBe(ca);
  });

  step("issues every certificate anew with --regen-certs, by the same authorities", async (node) => {
    const authorities = `sha256sum $(find ${CERTS} -name '*ca.crt') ${CERTS}/sa.key`;
    const serials = async () => {
      const text = await node.sh(
        `for f in $(find ${CERTS} -name '*.crt' ! -name '*ca.crt' | sort); do openssl x509 -in $f -noout -serial; done`,
      );
      return text.split("\n");
    };
    const [before, ca] = [await serials(), await node.sh(authorities)];
    expect(await operate(node, "restart", "--regen-certs")).toContain("020-gen-certs");
    const after = await serials();
    expect(after).toHaveLength(before.length);
    expect(after.filter((serial) => before.includes(serial))).toEqual([]);
    expect(await node.sh(authorities)).toBe(ca);
    expect(await wrong(node)).toEqual({});
    const served = await node.sh(
      "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -serial",
    );
    expect(after).toContain(served);
    expect((await node.get("configmap kept")).data).toEqual({ a: "b" });
  });

  step("does not drain against a disruption budget in time, and goes on with --force", async (node) => {
    const image = await node.sh("docker images --format '{{.Repository}}:{{.Tag}}' | grep /etcd:");
    await node.apply(whoAlone({ image, name: "precious", labels: { app: "precious" } }), {
      apiVersion: "policy/v1beta1",
      kind: "PodDisruptionBudget",
      metadata: { name: "precious", namespace: "default" },
      spec: { minAvailable: 1, selector: { matchLabels: { app: "precious" } } },
    });
    const kubectl = "/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml";
    await node.sh(`${kubectl} wait --for=condition=Ready pod/precious --timeout=60s`);
    await node.sh("umask 077; echo 'drainTimeoutSeconds: 2' > /etc/pf9/nodelet/10-drain.yaml");
    const refused = await phases(node, "stop");
    expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /Cannot stop the phase "210-drain-pods" \(.+\): Cannot drain the node within 2 s: .*default\/precious.* not gone yet/,
    );
    expect(refused.stderr).toContain(
      "a PodDisruptionBudget may forbid it; set drainTimeoutSeconds in /etc/pf9/nodelet, or use stop --force",
    );
    expect(await wrong(node)).toMatchObject({ "130-uncordon-node": "stopped: the node is cordoned" });
    const forced = await phases(node, "stop", "--force");
    expect(forced).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("not stopped: ") });
    expect(await node.sh("docker ps -q")).toBe("");
    await operate(node, "start");
    expect(await wrong(node)).toEqual({});
  });

  step("has written all of it down with the time", async (node) => {
    const lines = (await node.sh("cat /var/log/pf9/kube/kube.log")).split("\n");
    const stamped = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \S/;
    expect(lines.filter((line) => !stamped.test(line))).toEqual([]);
    for (const words of [
      "055-etcd-run start: begin",
      "055-etcd-run stop: changed",
      "210-drain-pods stop: failed after",
      "changed container etcd",
    ]) {
      expect(
        lines.some((line) => line.includes(words)),
        words,
      ).toBe(true);
    }
  });
});
