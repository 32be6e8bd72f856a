// `nodelet reset` proves what it did, and does what it can when its journal, its data or Docker is gone.
import { describe, expect } from "bun:test";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { diff, type Snapshot, snapshot } from "../lab/snapshot.ts";

const EQUAL = /^Undid \d+ changes in .+; host equals its state before init\.\n/;
const STATE = "/var/opt/pf9/nodelet";
const COPY = "/var/lib/nodelet";
const DOCUMENT = "/var/opt/pf9/kube_status";
const UNIT = "pf9-nodeletd.service";
const DROP_IN = `/etc/systemd/system/${UNIT}.d`;
const OURS = "kube|etcd|coredns|pause|nodeletd|shim";
const KEPT = "/srv/kept";
const KUBECTL = "/opt/pf9/bin/kubectl --kubeconfig /etc/pf9/kube.d/kubeconfigs/admin.yaml";

const reset = (node: TestNode, ...args: string[]) => node.nodelet(["reset", "--yes", ...args]);

/** Undoes all, and has the independent judge agree. */
async function undone(node: TestNode, before: Snapshot): Promise<void> {
  const { stdout, exitCode } = await reset(node);
  expect({ stdout, exitCode }).toEqual({ stdout: expect.stringMatching(EQUAL), exitCode: 0 });
  expect(diff(before, await snapshot(node.host))).toEqual([]);
}

/** Processes that a node is made of; shims watch containers. */
const processes = (node: TestNode) => node.sh(`ps -eo comm= | grep -E '${OURS}' || true`);

describe("the proof of a reset", () => {
  const { step } = story({ name: "e2e-reset-proof", ip: "10.88.0.106" }, async (node) => {
    // What the engine and the kernel make at their first use is there before the first look.
    await node.sh("iptables -t nat -L >/dev/null; ip6tables -t nat -L >/dev/null");
  });

  step("names each thing that differs, until nothing does", async (node) => {
    const before = await snapshot(node.host);
    await initNode(node);
    await node.sh(`
      echo x >/opt/pf9/mine; chmod 600 /opt/pf9/mine
      iptables -A INPUT -p tcp --dport 9 -j DROP; sysctl -q -w net.ipv4.conf.eth0.rp_filter=2
      systemctl disable -q docker.socket; docker network create -d bridge --subnet 10.99.0.0/24 -o com.docker.network.bridge.name=mine1 mine >/dev/null`);
    const { stdout, stderr, exitCode } = await reset(node);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 1 });
    const lines = stdout.split("\n").filter((line) => /^[-+~] /.test(line));
    expect(lines).toContain("+ /opt/pf9: directory 0755 0:0");
    expect(lines).toContain("+ iptables filter rule -A INPUT -p tcp -m tcp --dport 9 -j DROP");
    expect(lines).toContain("~ kernel setting net.ipv4.conf.eth0.rp_filter: 0 → 2");
    expect(lines).toContain("~ unit docker.socket: loaded, active, enabled → loaded, active, disabled");
    expect(lines).toContain("+ network mine: bridge");
    expect(lines).toContain("+ interface mine1: mtu 1500");
    expect(lines).toContain("+ route 10.99.0.0/24 on mine1");
    expect(lines.find((line) => line.startsWith("+ /opt/pf9/mine"))).toMatch(
      /: file 0600 0:0, 2 B, sha256 \w{12}$/,
    );
    expect((await node.nodelet(["reset", "--verify"])).exitCode).toBe(1);

    await node.sh(`
      docker network rm mine >/dev/null; iptables -D INPUT -p tcp --dport 9 -j DROP
      sysctl -q -w net.ipv4.conf.eth0.rp_filter=0; systemctl enable -q docker.socket; rm -r /opt/pf9`);
    expect(await node.nodelet(["reset", "--verify"])).toEqual({
      exitCode: 0,
      stdout: "Nothing to undo; host equals its state before init.\n",
      stderr: "",
    });
    expect(diff(before, await snapshot(node.host))).toEqual([]);
  });

  step("is exact without nodelet's data: the journal has a copy", async (node) => {
    const before = await snapshot(node.host);
    await initNode(node);
    // The daemon writes there at the same time.
    await node.sh("rm -rf /var/opt/pf9/* || rm -rf /var/opt/pf9/*");
    await undone(node, before);
  });

  step("removes what is surely ours without any journal, and says what it cannot know", async (node) => {
    const before = await snapshot(node.host);
    await node.sh(
      "cp -p /etc/docker/daemon.json /root/daemon.json; mkdir -p /root/cni; ls -d /etc/cni/net.d >/root/cni/had || true",
    );
    await initNode(node);
    // The daemon's document appears when all else was looked for already.
    await node.sh(`
      mkdir -p ${DROP_IN}; printf '[Service]\\nExecStop=/bin/sh -c "echo {} >${DOCUMENT}"\\n' >${DROP_IN}/late.conf
      systemctl daemon-reload; systemctl kill -s STOP ${UNIT}
      rm -rf ${STATE} ${COPY} ${DOCUMENT}`);
    const done = await reset(node, "-o", "json");
    expect({ stderr: done.stderr, exitCode: done.exitCode }).toEqual({ stderr: "", exitCode: 1 });
    const result = JSON.parse(done.stdout);
    expect(result).toMatchObject({ failures: [], equal: null });
    expect(result.removed).toContain("image nodelet.local/pause:3.2");
    expect(result.unknown[0]).toContain("vm.overcommit_memory=1");
    expect(result.unknown[1]).toContain("/etc/docker/daemon.json");
    expect(await processes(node)).toBe("");
    expect(await node.sh(`ls ${result.kept}/etcd/member/snap/db ${result.kept}/certs/ca.key`)).toContain(
      "ca.key",
    );

    // With what only the operator can know put back, nothing of the node is left.
    await node.sh(`
      rm -r ${result.kept} ${DROP_IN}; cp -p /root/daemon.json /etc/docker/daemon.json; systemctl restart docker
      if [ -s /root/cni/had ]; then install -d -m 700 /etc/cni/net.d; fi; rm -r /root/cni /root/daemon.json`);
    const settings = diff(before, await snapshot(node.host));
    expect(settings.filter((line) => !/^[-+] (sysctl|.*\/etc\/cni)/.test(line))).toEqual([]);
    const old = settings.flatMap((line) => /^- sysctl (\S+) = (.*)$/.exec(line)?.slice(1).join("=") ?? []);
    await node.sh(old.map((pair) => `sysctl -q -w '${pair}'`).join("\n"));
  });

  step(
    "tells what only Docker can undo while Docker is masked, and undoes it once it is not",
    async (node) => {
      const before = await snapshot(node.host);
      await initNode(node);
      await node.sh("systemctl stop docker.socket docker.service; systemctl mask -q docker.service");
      expect(await processes(node)).not.toBe("");
      const { stdout, stderr, exitCode } = await reset(node);
      expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
      expect(stderr).toMatch(/^error: Cannot put everything back; 12 of \d+ changes remain:\n/);
      expect(stderr).toContain(
        "container etcd: Docker does not answer and docker.service is masked; it stays in /var/lib/docker\n",
      );
      expect(await processes(node)).toBe("");
      expect(await node.sh("ls -d /etc/pf9 /opt/pf9 2>&1 || true")).toMatch(/^(ls: cannot access .*\n?){2}$/);
      await node.sh("systemctl unmask -q docker.service; systemctl start docker.socket");
      await undone(node, before);
    },
  );

  step("brings back a Docker that did not start for its settings", async (node) => {
    const before = await snapshot(node.host);
    await initNode(node);
    await node.sh("systemctl stop docker.socket docker.service; echo '{' >/etc/docker/daemon.json");
    await undone(node, before);
  });
});

describe("reset --keep-data", () => {
  const { step } = story({ name: "e2e-reset-keep", ip: "10.88.0.107" }, async (node) => {
    await node.sh("iptables -t nat -L >/dev/null; ip6tables -t nat -L >/dev/null");
  });

  step("loses nothing when it is killed in the middle", async (node) => {
    const before = await snapshot(node.host);
    await initNode(node);
    await node.sh(
      `${KUBECTL} create namespace kept; ${KUBECTL} -n kept create secret generic s --from-literal=a=b`,
    );
    const running = await node.spawnNodelet(["reset", "--yes", `--keep-data=${KEPT}`]);
    await waitUntil(async () => (await node.sh(`ls ${KEPT} 2>/dev/null || true`)) !== "", {
      what: "data being kept",
      deadlineMs: 30_000,
    });
    await running.kill();
    await running.exited;
    // Without the flag: what was begun is finished.
    const { stdout, exitCode } = await reset(node);
    expect({ stdout, exitCode }).toEqual({
      stdout: expect.stringMatching(
        new RegExp(`${EQUAL.source}Kept etcd's data and the certificates in ${KEPT}\\.\n$`),
      ),
      exitCode: 0,
    });
    expect(await node.sh(`stat -c %a ${KEPT}; ls ${KEPT}`)).toBe(
      "700\ncerts\ncluster.json\nencryption.yaml\netcd",
    );
    expect(diff(before, await snapshot(node.host)).filter((line) => !line.includes(KEPT))).toEqual([]);
  });

  step("keeps what makes the same cluster again", async (node) => {
    await node.sh(`
      mkdir -p -m 700 /etc/pf9/kube.d/certs /etc/pf9/kube.d/configs
      cp -a ${KEPT}/certs/. /etc/pf9/kube.d/certs; cp -a ${KEPT}/encryption.yaml /etc/pf9/kube.d/configs`);
    await initNode(node);
    await node.nodelet(["phases", "stop"]);
    await node.sh(`rm -r /var/opt/pf9/etcd/data/member; cp -a ${KEPT}/etcd/member /var/opt/pf9/etcd/data`);
    expect(await node.nodelet(["phases", "start"])).toMatchObject({ exitCode: 0 });
    expect(await node.sh(`${KUBECTL} -n kept get secret s -o jsonpath='{.data.a}'`)).toBe("Yg==");
  });
});
