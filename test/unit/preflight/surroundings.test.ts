import { describe, expect, test } from "bun:test";
import { cgroupV1, config, lines, type Overrides, type PlanOverrides, preflight } from "./fakes.ts";

type Case = [name: string, host: Overrides, line: string, plan?: PlanOverrides];

const route = (name: string, block: string) =>
  `Iface\tDestination\n${name}\t${block}\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`;

const errors: Case[] = [
  [
    "another processor",
    { machine: "aarch64" },
    "Architecture: The kernel runs on aarch64, and this program is for linux/amd64; expected x86_64 => use the nodelet and the bundle for aarch64, or another host",
  ],
  [
    "an old kernel",
    {
      kernel: "4.15.0-200-generic",
      files: {
        "/lib/modules/4.15.0-200-generic/modules.dep":
          "a/overlay.ko:\na/br_netfilter.ko:\na/nf_conntrack.ko:\na/ip_tables.ko:\n",
      },
    },
    "KernelTooOld: The kernel is version 4.15.0-200-generic; expected 4.18 or later => boot a later kernel of the distribution",
  ],
  [
    "an engine from before cgroup version 2",
    { engine: { version: "19.03.15" } },
    "CgroupVersion: The host has cgroup version 2, which Docker 19.03.15 does not know; expected Docker 20.10 or later, or version 1 => upgrade the packages of Docker, or boot with systemd.unified_cgroup_hierarchy=0 on the kernel command line",
  ],
  [
    "a name that every host has",
    {},
    'NodeName: The node\'s name is "localhost.localdomain", which every host has for itself; expected a name of its own => set --node-name to another one, or rename the host: hostnamectl set-hostname NAME',
    { node: { name: "localhost.localdomain" } },
  ],
  [
    "a bridge of another plugin",
    { files: { "/proc/net/route": route("cni0", "0001F40A") } },
    "BridgeConflict: The bridge cni0 is there with the block 10.244.1.0/24; expected none, or 10.20.0.0/24 of this node's pods => it is another network plugin's: remove it with ip link delete cni0",
  ],
  [
    "pods in the block of Docker's bridge",
    {},
    'BridgeConflict: Docker\'s bridge docker0 has the block 172.17.0.0/16, which overlaps containersCidr 172.17.0.0/16; expected no common address => set --containers-cidr to another block, or set "bip" in /etc/docker/daemon.json and run systemctl restart docker',
    { config: config({ containersCidr: "172.17.0.0/16" }) },
  ],
  [
    "masters behind a bridge of this host",
    {},
    "MasterIpConflict: The masters' address 172.17.0.5 is in 172.17.0.0/16 of docker0 on this host; expected an address of a network that the nodes share => set --master-ip to one, for example 10.88.0.11",
    { config: config({ masterIp: "172.17.0.5" }) },
  ],
  [
    "Docker as a snap",
    { files: { "/var/snap/docker": "" } },
    "DockerSnap: Docker is installed as a snap, which keeps it from /etc/pf9 and /opt/pf9; expected a package, or none => run snap remove --purge docker, which removes its containers and images",
  ],
  [
    "pods of containerd",
    { files: { "/run/containerd/io.containerd.runtime.v2.task/k8s.io/0123/init.pid": "" } },
    "ForeignPods: containerd runs 1 container of another kubelet (its namespace k8s.io); expected none => reset that cluster first (kubeadm reset -f), or remove them: crictl rmp -fa",
  ],
];

const active = (...units: string[]) => ({ activeUnits: ["chronyd.service", ...units] });
const proxied = {
  "/etc/systemd/system.conf":
    '[Manager]\n#DefaultEnvironment=\nDefaultEnvironment="HTTPS_PROXY=http://10.0.0.1:3128" NO_PROXY=10.88.0.0/16,site\n',
};

const warnings: Case[] = [
  [
    "no time service",
    { activeUnits: [] },
    "TimeNotSynced: No time service is active; expected systemd-timesyncd, chrony or ntp, since certificates and a second node need the right time => run systemctl enable --now systemd-timesyncd (or chrony) with a time server of yours; without one, set the clock by hand before init and now and then",
  ],
  [
    "an empty machine id",
    { files: { "/etc/machine-id": "\n" } },
    "MachineId: /etc/machine-id is empty; expected 32 hex digits that no other host has => run systemd-machine-id-setup",
  ],
  [
    "no machine id",
    { files: { "/etc/machine-id": undefined } },
    "MachineId: /etc/machine-id is missing; expected 32 hex digits that no other host has => run systemd-machine-id-setup",
  ],
  [
    "few inotify instances",
    { files: { "/proc/sys/fs/inotify/max_user_instances": "64\n" } },
    'InotifyLow: The kernel setting fs.inotify.max_user_instances is 64; expected at least 128 => write "fs.inotify.max_user_instances = 128" to /etc/sysctl.d/90-node.conf and run sysctl --system',
  ],
  [
    "few open files",
    { files: { "/proc/sys/fs/nr_open": "65536\n" } },
    'OpenFilesLow: The kernel setting fs.nr_open is 65536; expected at least 1048576 => write "fs.nr_open = 1048576" to /etc/sysctl.d/90-node.conf and run sysctl --system',
  ],
  [
    "a proxy for every unit",
    { files: proxied },
    'ProxyForAll: systemd gives https_proxy to every unit, and no_proxy leaves out 10.20.0.0/16, 10.21.0.0/16; expected the node\'s own networks in it => write [Manager] and DefaultEnvironment="NO_PROXY=10.88.0.0/16,site,10.20.0.0/16,10.21.0.0/16" "no_proxy=10.88.0.0/16,site,10.20.0.0/16,10.21.0.0/16" to /etc/systemd/system.conf.d/90-no-proxy.conf and run systemctl daemon-reexec',
  ],
  [
    "fapolicyd",
    active("fapolicyd.service"),
    'FapolicydActive: fapolicyd is active; expected it off, or told to trust the programs in /opt/pf9 and /opt/cni/bin => write "allow perm=any all : dir=/opt/pf9/" and "allow perm=any all : dir=/opt/cni/bin/" to /etc/fapolicyd/rules.d/30-nodelet.rules and run fagenrules --load, or run systemctl disable --now fapolicyd',
  ],
  [
    "a security agent",
    active("falcon-sensor.service"),
    "EndpointAgent: The security agent CrowdStrike Falcon is active (falcon-sensor.service); expected none that changes the packet filter or ends containers => have its policy leave alone the iptables chains KUBE-*, CNI-*, PF9-* and DOCKER*, the interfaces cni0, pf9-vxlan and veth*, the blocks 10.20.0.0/16 and 10.21.0.0/16, and the programs in /opt/pf9",
  ],
  [
    "NetworkManager with some of ours",
    {
      ...active("NetworkManager.service"),
      files: {
        "/etc/NetworkManager/conf.d/k8s.conf":
          "[keyfile]\nunmanaged-devices=interface-name:cali*;interface-name:veth*\n",
      },
    },
    "NetworkManager: NetworkManager may change the interfaces cni0 of pods; expected them in its unmanaged-devices => run printf '[keyfile]\\nunmanaged-devices=interface-name:cni0;interface-name:veth*\\n' >/etc/NetworkManager/conf.d/90-nodelet.conf and systemctl reload NetworkManager",
  ],
  [
    "nm-cloud-setup",
    active("nm-cloud-setup.timer"),
    "NmCloudSetup: nm-cloud-setup.timer is active, and writes routing rules of its own; expected it off => run systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service and boot again",
  ],
  [
    "a name that nobody knows",
    { files: { "/etc/hosts": "127.0.0.1 localhost\n" } },
    'HostnameUnresolved: The host\'s name "n1" is not in /etc/hosts, and /etc/resolv.conf has no name server; expected an address for it => add the line "10.88.0.11 n1" to /etc/hosts',
  ],
  [
    "interfaces of another plugin",
    { files: { "/sys/class/net/flannel.1/mtu": "1450\n" } },
    "NetworkLeftovers: There are interfaces of another network plugin: flannel.1; expected none => remove them (ip link delete flannel.1), or boot again after that plugin is gone",
  ],
  [
    "a small MTU",
    { files: { "/sys/class/net/eth0/mtu": "1200\n" } },
    "MtuSmall: The interface eth0 has an MTU of 1200; expected at least 1280 => raise it (ip link set eth0 mtu 1500) and in the file of its network as well",
  ],
  [
    "an MTU of pods that does not fit",
    {},
    "MtuSmall: The pod network has an MTU of 9000, and eth0 only 1500; expected at most that => set --mtu to 1500 or less, or raise it: ip link set eth0 mtu 9000",
    { config: config({ mtu: 9000 }) },
  ],
  [
    "CRI-O",
    active("crio.service"),
    "CrioActive: CRI-O is active: the runtime of another Kubernetes, which this node does not use; expected it off => if nobody needs it, run systemctl disable --now crio",
  ],
  [
    "data of k3s",
    { files: { "/var/lib/rancher/k3s/server": "" } },
    "ClusterLeftovers: There are leftovers of k3s in /var/lib/rancher/k3s; expected none => remove them: k3s-uninstall.sh or k3s-agent-uninstall.sh",
  ],
  [
    "state of an earlier kubelet",
    { files: { "/var/lib/kubelet/cpu_manager_state": "", "/var/lib/kubelet/lost+found": "" } },
    'KubeletLeftovers: "/var/lib/kubelet" holds cpu_manager_state of an earlier kubelet; expected an empty directory => if nobody needs it, end what is mounted there (grep /var/lib/kubelet /proc/mounts; umount) and run rm -r /var/lib/kubelet/*',
  ],
];

describe("runPreflight() on what is around the node", () => {
  test.each(errors)("refuses %s", async (_name, host, line, plan) => {
    const report = await preflight(host, plan);
    expect([lines(report.errors), report.warnings]).toEqual([[line], []]);
  });

  test.each(warnings)("warns of %s", async (_name, host, line, plan) => {
    const report = await preflight(host, plan);
    expect([report.errors, lines(report.warnings)]).toEqual([[], [line]]);
  });

  test.each<[string, Overrides, PlanOverrides?]>([
    ["no time service in a container", { activeUnits: [], files: { "/.dockerenv": "" } }],
    ["an older Docker on the older cgroups", { engine: { version: "19.03.15" }, files: cgroupV1 }],
    [
      "a name that a name server may know",
      { files: { "/etc/hosts": "", "/etc/resolv.conf": "nameserver 10.0.0.2\n" } },
    ],
    [
      "a name that the host's library knows",
      { files: { "/etc/hosts": "", "/etc/nsswitch.conf": "hosts: files myhostname dns # all\n" } },
    ],
    [
      "a proxy for other hosts",
      {
        files: {
          "/etc/systemd/system.conf.d/a.conf":
            "[Manager]\nDefaultEnvironment=http_proxy=http://p no_proxy=*\n",
        },
      },
    ],
    [
      "NetworkManager that leaves ours alone",
      {
        activeUnits: ["chronyd.service", "NetworkManager.service"],
        files: {
          "/usr/lib/NetworkManager/conf.d/k8s.conf":
            "[keyfile]\nunmanaged-devices+=interface-name:cni*;type:veth\n",
        },
      },
    ],
    [
      "its own bridge on an installed node",
      { files: { "/proc/net/route": route("cni0", "0001F40A") } },
      { installed: true },
    ],
    [
      "its own routes to pods of other nodes on an installed node",
      { files: { "/proc/net/route": route("pf9-vxlan", "0001140A") } },
      { installed: true },
    ],
    [
      "its own kubelet's state on an installed node",
      { files: { "/var/lib/kubelet/pki": "" } },
      { installed: true },
    ],
    [
      "another plugin's interfaces where there is to be one",
      { files: { "/sys/class/net/flannel.1/mtu": "1450\n" } },
      { config: config({ networkPlugin: "noop" }) },
    ],
    ["a masters' address elsewhere", {}, { config: config({ masterIp: "10.88.0.200" }) }],
  ])("takes %s", async (_name, host, plan) => {
    expect(await preflight(host, plan)).toMatchObject({ errors: [], warnings: [], unseen: [] });
  });

  test("says what systemd did not tell", async () => {
    const { unseen } = await preflight({ units: "none", engine: "none" });
    expect(unseen.map(({ code, reason }) => `${code}: ${reason}`)).toEqual(
      ["TimeNotSynced", "FapolicydActive", "EndpointAgent", "NetworkManager", "NmCloudSetup"].map(
        (code) => `${code}: systemd does not answer`,
      ),
    );
  });
});
