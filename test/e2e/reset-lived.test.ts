// `nodelet reset` puts back a host that had a life before: settings, networks, firewall, containers of others.
import { describe, expect } from "bun:test";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { diff, snapshot } from "../lab/snapshot.ts";

const UNDONE = {
  exitCode: 0,
  stdout: expect.stringMatching(/^Undid \d+ changes in .+; host equals its state before init\.\n$/),
  stderr: "",
};

const reset = (node: TestNode) => node.nodelet(["reset", "--yes"]);
const dockerPid = (node: TestNode) => node.sh("systemctl show docker --property=MainPID");

describe("reset of a host that had a life before", () => {
  const FOREIGN = "foreign";
  const { step } = story({ name: "e2e-reset-lived", ip: "10.88.0.103" }, async (node) => {
    await node.sh(`
      jq '. + {"log-opts": {"max-size": "3m", "labels": "a"}, "log-driver": "json-file"}' /etc/docker/daemon.json >/tmp/d
      install -m 640 /tmp/d /etc/docker/daemon.json; rm /tmp/d; systemctl restart docker
      mkdir -p -m 711 /etc/cni/net.d; echo '{"cniVersion": "0.4.0", "name": "foreign", "plugins": [{"type": "loopback"}]}' >/etc/cni/net.d/99-foreign.conflist
      sysctl -q -w net.ipv4.ip_forward=0 net.ipv4.conf.all.route_localnet=0 vm.overcommit_memory=2
      iptables -N FOREIGN; iptables -I INPUT -j FOREIGN; iptables -A FOREIGN -p tcp --dport 9 -j DROP
      tar -C /srv/stack -cf - images/pause.tar | tar -xOf - | docker load -q
      docker run -d --name ${FOREIGN} --restart=always --network none -v kept:/data $(docker images -q)`);
  });

  step("puts all of it back, and the foreign container runs through all of it", async (node) => {
    const before = await snapshot(node.host);
    const pid = await node.sh(`docker inspect -f '{{.State.Pid}}' ${FOREIGN}`);
    await initNode(node);
    const merged = JSON.parse(await node.sh("cat /etc/docker/daemon.json"));
    expect(merged["log-opts"]).toEqual({ "max-size": "3m", labels: "a" });
    expect(merged["live-restore"]).toBe(true);
    expect(await node.sh("sysctl -n net.ipv4.ip_forward vm.overcommit_memory")).toBe("1\n1");
    expect(await reset(node)).toEqual(UNDONE);
    expect(diff(before, await snapshot(node.host))).toEqual([]);
    expect(await node.sh(`docker inspect -f '{{.State.Pid}}' ${FOREIGN}`)).toBe(pid);
  });

  step("puts a Docker that was off to rest again", async (node) => {
    await reset(node);
    await node.sh(`docker rm -f ${FOREIGN}; systemctl disable --now -q docker.socket docker.service`);
    const before = await snapshot(node.host);
    await initNode(node);
    await waitUntil(async () => (await dockerPid(node)) !== "MainPID=0", {
      what: "Docker running",
      deadlineMs: 5_000,
    });
    expect(await reset(node)).toEqual(UNDONE);
    expect(diff(before, await snapshot(node.host))).toEqual([]);
    expect(await dockerPid(node)).toBe("MainPID=0");
  });
});
