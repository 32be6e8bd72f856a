// Bare hosts as they are hardened, half set up or left over: nothing of it keeps init from making a node, nothing of it is
// changed, and what cannot be guessed is asked for.
import { describe, expect } from "bun:test";
import { inNetworkOf } from "../../scripts/lab/host.ts";
import { expectHealthy, expectRefusal, settleKernel } from "../lab/faults.ts";
import { initNode, story, type TestNode, waitUntil } from "../lab/harness.ts";
import { askTillAll, WHO, whoAlone } from "../lab/objects.ts";
import { bringNft } from "../lab/nft.ts";
import { diff, type Snapshot, snapshot } from "../lab/snapshot.ts";
import { expectUndone } from "../lab/undone.ts";

const IP = "10.89.0.23";
const INIT = ["init", "--node-ip", IP];

/** A second card with a cable, a bridge of a hypervisor, and one that a removed Docker left. */
const LINKS = [
  "link add eth1 type veth peer name far1",
  "link set far1 up",
  "address add 192.168.77.2/24 dev eth1",
  "link add br0 type bridge",
  "address add 192.168.50.1/24 dev br0",
  "link add docker0 type bridge",
  "address add 172.17.0.1/16 dev docker0",
  ...["eth1", "br0", "docker0"].map((name) => `link set ${name} up`),
];

/** Nothing comes in or through but what a rule lets: in tables of iptables enough for a node, in the site's own with nft not. */
const IPTABLES = [
  "-A INPUT -i lo -j ACCEPT",
  "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  "-A INPUT -p icmp -j ACCEPT",
  "-A INPUT -p tcp -m multiport --dports 6443,10250 -j ACCEPT",
  "-A INPUT -s 10.20.0.0/16 -j ACCEPT",
  "-P INPUT DROP",
  "-P FORWARD DROP",
];
const SITE = `table inet site {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lo" accept
    icmp type echo-request accept
    tcp dport 22 accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
  }
}
`;

/** What the operator has told an engine that is still to come. */
const DAEMON_JSON = `s|^{|{\\n  "log-opts": { "max-size": "3m", "labels": "a" }, "max-concurrent-downloads": 7,|`;

const HARDENED = `
hostname NODE-A
sysctl -q -w net.ipv4.ip_forward=0
sed -i '${DAEMON_JSON}' /etc/docker/daemon.json; chmod 640 /etc/docker/daemon.json
mkdir -p /var/lib/docker/overlay2/left/diff /var/lib/docker/containers && echo left >/var/lib/docker/overlay2/left/diff/file
echo nameserver 127.0.0.53 >/dev/shm/resolv.conf && mount --bind /dev/shm/resolv.conf /etc/resolv.conf
mount -o remount,noexec /tmp && mount -o remount,noexec /dev/shm && mount -t tmpfs -o noexec none /var/tmp
mount --bind /usr /usr && mount -o remount,ro,bind /usr`;

/** Owner, group and mode of everything that was made for the node, but for what its programs make with names of the day. */
const modes = (node: TestNode) =>
  node.sh(`find /etc /opt /var/opt /var/log/pf9 /var/lib/nodelet /run/nodelet* -xdev \\( -path /var/opt/pf9/nodelet/kept -o -path '*/kubelet-config/dynamic-config/*' \\) -prune -o -printf '%M %u:%g %p\\n' | grep -v resolv.conf
find /var/opt/pf9 -xdev -mindepth 1 -maxdepth 2 -printf '%M %u:%g %p\\n' | grep -v kube_status`);

/** The name servers of a pod that wants those of the host. */
const podServers = (node: TestNode) =>
  node.sh(
    `cat $(docker inspect -f '{{.ResolvConfPath}}' $(docker ps -q --filter label=io.kubernetes.container.name=coredns))`,
  );

/** A pod runs, and is reached through the node's address translation. */
async function expectPods(node: TestNode): Promise<void> {
  const image = await node.sh("docker images --format '{{.Repository}}:{{.Tag}}' | grep /etcd:");
  await node.apply(whoAlone({ image, name: "who", labels: { app: "who" } }), {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "who", namespace: "default" },
    spec: { selector: { app: "who" }, ports: [{ port: WHO.port }] },
  });
  await waitUntil(async () => (await node.get("endpoints who")).subsets?.[0]?.addresses?.length === 1, {
    what: "an endpoint of the service who",
    deadlineMs: 60_000,
  });
  const target = `http://who.default.svc.cluster.local:${WHO.port}`;
  const ask = ["exec", "who", "--", "etcdctl", `--endpoints=${target}`, "member", "list", "-w", "json"];
  expect(await askTillAll(() => node.kubectl(ask), ["who"])).toEqual(["who"]);
}

describe("a bare host that is not like others", () => {
  let before: Snapshot;
  let hardened: string;
  let rules: string;
  const { step } = story({ name: "e2e-bare-hard", ip: IP, bare: true }, async (node) => {
    await settleKernel(node);
    for (const words of LINKS) await inNetworkOf(node.name, ["ip", ...words.split(" ")]);
    for (const rule of IPTABLES)
      await inNetworkOf(node.name, ["iptables", "--wait", "30", ...rule.split(" ")]);
    await bringNft(node);
    await node.sh("nft -f -", { input: SITE });
    await node.sh(HARDENED);
  });

  step(
    "is told of each chain of a firewall that would keep pods from the API and from each other, and how to open it",
    async (node) => {
      const { stdout, exitCode } = await node.nodelet(["preflight", "--node-ip", IP, "-o", "json"]);
      const { warnings } = JSON.parse(stdout) as {
        warnings: { code: string; message: string; hint: string }[];
      };
      const found = warnings.filter(({ code }) => code === "NftRules");
      expect([exitCode, found.map(({ message }) => message.split(";")[0])]).toEqual([
        0,
        [
          'The nft chain "inet site input" lets nobody in to TCP 6443 and 10250',
          'The nft chain "inet site forward" lets no packet through',
        ],
      ]);
      for (const { hint } of found)
        await node.sh(/^run (.+), and keep/.exec(hint)?.[1]?.replaceAll(" and ", " && ") ?? "false");
      expect((await node.nodelet(["preflight", "--node-ip", IP])).stdout).not.toContain("NftRules");
      rules = await node.sh("nft list table inet site");
      before = await snapshot(node.host);
    },
  );

  step("shows all that init would do, and does nothing of it", async (node) => {
    const done = await node.nodelet([...INIT, "--dry-run", "-o", "json"]);
    expect(done).toMatchObject({ exitCode: 0 });
    const planned = JSON.parse(done.stdout).plan as { kind: string; key: string }[];
    expect(planned).toContainEqual(expect.objectContaining({ kind: "copy", key: "/opt/pf9/bin/dockerd" }));
    expect(planned).toContainEqual(expect.objectContaining({ kind: "unit", key: "pf9-docker.service" }));
    expect(planned.filter(({ kind }) => kind === "image")).toHaveLength(8);
    expect(diff(before, await snapshot(node.host))).toEqual([]);
  });

  step("is asked which of its addresses is the node's, when no route tells", (node) =>
    expectRefusal(node, {
      script: "nodelet init",
      exitCode: 4,
      stderr: `error: Configuration is not valid: 1 problem
  nodeIp: there is no default route to tell the address of this node by; its addresses: ${IP} (eth0), 192.168.50.1 (br0), 192.168.77.2 (eth1); set --node-ip
`,
    }),
  );

  step(
    "is a node all the same: umask 077, /usr read-only, nothing executable elsewhere, a firewall",
    async (node) => {
      const done = await node.host.exec(["sh", "-c", `umask 077; exec nodelet ${INIT.join(" ")}`], {
        timeoutMs: 240_000,
      });
      expect(done).toMatchObject({
        exitCode: 0,
        stdout: expect.stringContaining(`Node "node-a" (${IP}) is up`),
      });
      expect(done.stderr).not.toMatch(/^error/m);
      await expectHealthy(node);
      await expectPods(node);
      hardened = await modes(node);
    },
  );

  step("has the operator's settings of the engine beside its own", async (node) => {
    const settings = JSON.parse(await node.sh("cat /etc/docker/daemon.json"));
    expect(settings).toMatchObject({
      "log-opts": { "max-size": "3m", labels: "a" },
      "max-concurrent-downloads": 7,
      "live-restore": true,
      "data-root": "/var/opt/pf9/docker",
    });
    expect(await node.sh("ip -o -4 address show docker0")).toContain("172.17.0.1/16");
    expect(await node.sh("docker info -f '{{.DockerRootDir}}'")).toBe("/var/opt/pf9/docker");
  });

  step("gives no pod the name server that only the host reaches", async (node) => {
    expect(await podServers(node)).toBe("nameserver 127.0.0.1\nsearch .");
  });

  step("is afterwards as it was, its firewall included", async (node) => {
    await expectUndone(node, before);
    expect(await node.sh("nft list table inet site")).toBe(rules);
  });

  step("is a node without any resolv.conf too, with the same modes under another umask", async (node) => {
    await node.sh("umount /etc/resolv.conf && umount /etc/resolv.conf && rm -f /etc/resolv.conf");
    const without = await snapshot(node.host);
    await initNode(node, INIT.slice(1));
    await expectHealthy(node);
    await expectPods(node);
    expect(await podServers(node)).toBe("nameserver 127.0.0.1\nsearch .");
    expect(await modes(node)).toBe(hardened);
    await expectUndone(node, without);
  });
});
