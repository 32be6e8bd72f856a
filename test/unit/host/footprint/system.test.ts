import { describe, expect, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { cgroupsArea } from "../../../../src/host/footprint/cgroups.ts";
import { firewallArea } from "../../../../src/host/footprint/firewall.ts";
import { parseMounts } from "../../../../src/host/footprint/mounts.ts";
import {
  addressesArea,
  interfacesArea,
  routesArea,
  rulesArea,
} from "../../../../src/host/footprint/network.ts";
import { processesArea } from "../../../../src/host/footprint/processes.ts";
import { modulesArea, settingsArea } from "../../../../src/host/footprint/settings.ts";
import { unitsArea } from "../../../../src/host/footprint/units.ts";
import { fakeHost } from "./help.ts";

describe("kernel", () => {
  test("settings are read by name, and whole directories of them", async () => {
    await using t = await fakeHost();
    await t.root.write("/proc/sys/net/ipv4/ip_forward", "1\n");
    await t.root.write("/proc/sys/net/ipv4/conf/eth0.7/rp_filter", "2\n");
    await t.root.write("/proc/sys/kernel/hostname", "nobody asks\n");
    expect(await t.look(settingsArea)).toEqual({
      "kernel setting net.ipv4.ip_forward": "1",
      "kernel setting net.ipv4.conf.eth0/7.rp_filter": "2",
    });
  });

  test("modules are those that nodelet loads", async () => {
    await using t = await fakeHost();
    for (const name of ["overlay", "xt_comment"])
      await mkdir(t.root.place(`/sys/module/${name}`), { recursive: true });
    expect(await t.look(modulesArea)).toEqual({ "kernel module overlay": "" });
  });
});

describe("network", () => {
  test("interfaces have an mtu; cables of containers are none", async () => {
    await using t = await fakeHost();
    expect(await t.look(interfacesArea)).toBeUndefined();
    await t.root.write("/sys/class/net/eth0/mtu", "1500\n");
    await t.root.write("/sys/class/net/veth12/mtu", "1500\n");
    expect(await t.look(interfacesArea)).toEqual({ "interface eth0": "mtu 1500" });
  });

  test("addresses are those that somebody set", async () => {
    await using t = await fakeHost();
    await t.root.write(
      "/proc/net/fib_trie",
      "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.88.0.0\n        /24 link UNICAST\n     |-- 10.88.0.9\n        /32 host LOCAL\nLocal:\n     |-- 10.88.0.9\n        /32 host LOCAL\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 10.88.0.255\n        /32 link BROADCAST\n",
    );
    await t.root.write(
      "/proc/net/if_inet6",
      "fe80000000000000021122fffe334455 02 40 20 80     eth0\nfd000000000000000000000000000001 02 40 00 80     eth0\nfd000000000000000000000000000002 02 40 00 00     eth0\n",
    );
    expect(await t.look(addressesArea)).toEqual({
      "address 10.88.0.9": "",
      "address fd00:0000:0000:0000:0000:0000:0000:0001/64 on eth0": "",
    });
  });

  test("routes are those of the main table, without what IPv6 makes by itself", async () => {
    await using t = await fakeHost();
    expect(await t.look(routesArea)).toBeUndefined();
    await t.root.write(
      "/proc/net/route",
      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\neth0\t00000000\t0100580A\t0003\t0\t0\t100\t00000000\t0\t0\neth0\t0000580A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\nveth1\t0000590A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\n",
    );
    const none = "0".repeat(32);
    const line = (to: string, length: string, rest: { via?: string; flags: string; name: string }) =>
      `${to.padEnd(32, "0")} ${length} ${none} 00 ${(rest.via ?? "").padEnd(32, "0")} 00000400 00000001 00000000 ${rest.flags}     ${rest.name}\n`;
    await t.root.write(
      "/proc/net/ipv6_route",
      line("fd00", "40", { flags: "00000001", name: "eth0" }) +
        line("", "00", { via: "fd00000000000000", flags: "00000003", name: "eth0" }) +
        line("fe80", "40", { flags: "00000001", name: "eth0" }) +
        line("fd01", "40", { flags: "00450003", name: "eth0" }) +
        line("fd000000000000000000000000000001", "80", { flags: "80200001", name: "eth0" }),
    );
    expect(Object.keys((await t.look(routesArea)) ?? {})).toEqual([
      "route default via 10.88.0.1 on eth0, metric 100",
      "route 10.88.0.0/24 on eth0",
      "route fd00:0000:0000:0000:0000:0000:0000:0000/64 on eth0, metric 1024",
      "route default via fd00:0000:0000:0000:0000:0000:0000:0000 on eth0, metric 1024",
    ]);
  });

  test("routing rules are not seen without the program that tells them", async () => {
    await using t = await fakeHost();
    expect(await t.look(rulesArea)).toBeUndefined();
    t.machine.programs.set("ip", ([, family]) => ({
      stdout: family === "-4" ? "0:\tfrom all lookup local\n" : "",
    }));
    expect(await t.look(rulesArea)).toEqual({ "routing rule 0: from all lookup local": "" });
  });
});

describe("firewall", () => {
  const saved = `# Generated
*nat
:PREROUTING ACCEPT [12:34]
:DOCKER - [0:0]
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:48410
-A DOCKER_POSTROUTING -s 127.0.0.11/32 -p udp -m udp --sport 48410 -j SNAT --to-source :53
COMMIT
*filter
:INPUT DROP [1:2]
-A INPUT -p tcp -j ACCEPT
-A INPUT -p tcp -j ACCEPT
-A INPUT -p tcp -j ACCEPT
COMMIT
`;

  test("has chains and rules, without counters and what follows Docker's containers", async () => {
    await using t = await fakeHost();
    t.machine.programs.set("iptables-save", () => ({ stdout: saved }));
    expect(await t.look(firewallArea("iptables"))).toEqual({
      "iptables nat chain DOCKER": "",
      "iptables filter chain INPUT": "DROP",
      "iptables filter rule -A INPUT -p tcp -j ACCEPT": "3 times",
    });
  });

  test("is not seen without the program, or without the family", async () => {
    await using t = await fakeHost();
    expect(await t.look(firewallArea("ip6tables"))).toBeUndefined();
    t.machine.programs.set("ip6tables-save", () => ({ exitCode: 3, stderr: "no such table" }));
    expect(await t.look(firewallArea("ip6tables"))).toBeUndefined();
  });
});

describe("mounts", () => {
  test("are told as often as they are there, without those of sessions and containers", () => {
    const lines = [
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
      "2 1 8:2 / /var/lib/kubelet rw shared:1 - ext4 /dev/sdb1 rw",
      "3 2 8:2 / /var/lib/kubelet rw - ext4 /dev/sdb1 rw",
      "4 1 0:9 / /mnt/a\\040b rw - tmpfs tmpfs rw",
      "5 1 0:9 / /run/user/0 rw - tmpfs tmpfs rw",
      "6 1 0:9 / /data/docker/overlay2/abc/merged rw - overlay overlay rw",
      "7 1 0:9 / /misc rw - autofs systemd-1 rw",
    ];
    expect(parseMounts(`${lines.join("\n")}\n`)).toEqual({
      "mount /": "ext4 /dev/sda1",
      "mount /var/lib/kubelet": "ext4 /dev/sdb1, ext4 /dev/sdb1",
      "mount /mnt/a b": "tmpfs tmpfs",
    });
  });
});

describe("what runs", () => {
  test("units that are not there are none", async () => {
    await using t = await fakeHost();
    t.machine.programs.set("systemctl", () => ({
      stdout:
        "Id=docker.service\nLoadState=loaded\nActiveState=failed\nUnitFileState=enabled\n\nId=containerd.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n",
    }));
    expect(await t.look(unitsArea)).toEqual({ "unit docker.service": "loaded, failed, enabled" });
    t.machine.programs.delete("systemctl");
    expect(await t.look(unitsArea)).toBeUndefined();
  });

  test("cgroups are told once, whatever the number of hierarchies", async () => {
    await using t = await fakeHost();
    for (const path of [
      "cpu/kubepods",
      "memory/kubepods",
      "memory/theirs",
      "system.slice/pf9-kubelet.service",
    ])
      await mkdir(t.root.place(`/sys/fs/cgroup/${path}`), { recursive: true });
    expect(await t.look(cgroupsArea)).toEqual({
      "cgroup kubepods": "",
      "cgroup system.slice/pf9-kubelet.service": "",
    });
  });

  test("processes are Kubernetes', or run from our directory; the one that looks is none", async () => {
    await using t = await fakeHost();
    const add = async (pid: number, stat: string, program: string) => {
      await t.root.write(`/proc/${pid}/stat`, `${pid} ${stat} 1 1`);
      await symlink(program, t.root.place(`/proc/${pid}/exe`));
    };
    await add(1, "(nodeletd) S", "/opt/pf9/nodelet/nodeletd");
    await add(10, "(etcd) S", "/usr/bin/etcd");
    await add(11, "(etcd) S", "/usr/bin/etcd");
    await add(12, "(kubelet) Z", "/opt/pf9/bin/kubelet");
    await add(13, "(odd) name) S", "/opt/pf9/bin/odd");
    await add(14, "(bash) S", "/bin/bash");
    expect(await t.look(processesArea)).toEqual({
      "process etcd": "2 of it",
      "process odd) name": "1 of it",
    });
  });
});
