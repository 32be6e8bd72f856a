import { inNetworkOf, type LabHost } from "../../scripts/lab/host.ts";

/** Everything of a host that a reset must put back, one fact a line. */
export type Snapshot = readonly string[];

/** Where nodelet, or what it starts, may leave something. */
const PLACES =
  "/etc /opt /usr/local /usr/libexec /var/lib /var/opt /var/log/pf9 /var/log/pods /var/log/containers /run /srv";

/**
 * What is not compared, each for a reason: systemd's and D-Bus' run-time state, the stack and the program of the test itself,
 * a socket file's lock of the lab.
 */
const NOISE = [
  "/var/lib/systemd",
  "/run/systemd",
  "/run/dbus",
  "/run/lock",
  "/run/log",
  // Made by iptables and by mount themselves, at their first use.
  "/run/xtables.lock",
  "/run/mount",
  "/srv/stack",
  "/srv/appliance",
];

/** The stores of an engine that the host has by itself: asked through the engine instead. */
const ENGINE_NOISE = [
  "/var/lib/docker",
  "/var/lib/containerd",
  "/run/docker",
  "/run/containerd",
  "/run/docker.pid",
];

/** Counters and clocks of the kernel; nobody sets them. */
const VOLATILE =
  "^(fs.dentry-state|fs.file-nr|fs.inode-|fs.aio-nr|fs.quota|kernel.ns_last_pid|kernel.random|kernel.pty.nr|kernel.pid_max" +
  "|net.netfilter.nf_conntrack_count|net.ipv[46].neigh|net.ipv[46].conf|vm.stat|dev.cdrom|kernel.core_|user)";

/** Runs in the host, with nothing but what the barest one has. */
const INSIDE = `
noise="${NOISE.join(" ")}"
systemctl -q cat docker.service >/dev/null 2>&1 && noise="$noise ${ENGINE_NOISE.join(" ")}"
prune=$(printf -- '-path %s -o ' $noise)
find ${PLACES} \\( $prune -false \\) -prune -o -type f -printf 'file %M %U:%G %s %p\\n' 2>/dev/null
find ${PLACES} \\( $prune -false \\) -prune -o -type f -print0 2>/dev/null | xargs -0 sha256sum | sed 's/^/sha256 /'
find ${PLACES} \\( $prune -false \\) -prune -o -type l -printf 'link %p -> %l\\n' 2>/dev/null
find ${PLACES} \\( $prune -false \\) -prune -o ! -type f ! -type l -printf '%y %M %U:%G %p\\n' 2>/dev/null
if systemctl -q is-active docker; then
  docker images --all --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}'
  docker ps --all --no-trunc --format 'container {{.Names}} {{.ID}} {{.State}}'
  docker volume ls --format 'volume {{.Name}}'
  docker network ls --format 'network {{.Name}} {{.Driver}}'
  docker info --format 'engine live-restore={{.LiveRestoreEnabled}} logs={{.LoggingDriver}} cgroup={{.CgroupDriver}} runtime={{.DefaultRuntime}}'
fi
systemctl list-units --all --plain --no-legend 'pf9*' | awk '{print "unit", $1, $2, $3}'
for unit in docker.service docker.socket containerd.service; do echo "unit $unit $(systemctl is-active $unit)"; done
systemctl list-units --failed --plain --no-legend | awk '{print "failed unit", $1}'
systemctl list-unit-files --no-legend | awk '{print "unit file", $1, $2}'
sysctl -a 2>/dev/null | grep -vE '${VOLATILE}' | sed 's/^/sysctl /'
for name in all default lo eth0 docker0; do sysctl -a 2>/dev/null --pattern "net.ipv4.conf.$name\\." | sed 's/^/sysctl /'; done
awk '{print "mount", $5, $4, $(NF-2)}' /proc/self/mountinfo | grep -v '/var/lib/docker/overlay2/\\|/run/docker/netns'
{ cat /proc/modules 2>/dev/null || true; } | awk '{print "module", $1}'
ps -eo comm= | grep -E 'kube|etcd|coredns|pause|nodelet|dockerd|containerd|runc' | sed 's/^/process /'
find /sys/fs/cgroup -type d -printf '%P\\n' | sed 's/^[^/]*/cgroup/' | grep -E 'kubepods|pf9|nodelet' | sort -u
true
`;

/** Runs on this machine, on the network of the host, which may have no program to look at it. */
const NETWORK = `
for family in iptables ip6tables; do for kind in nft legacy; do
  # Without counters; a table that was never used is one whose built-in chains accept everything.
  $family-$kind-save 2>/dev/null | sed 's/\\[[0-9]*:[0-9]*\\]//' | awk -v family=$family '
    /^#/ || /^COMMIT/ || /^:[A-Z]+ ACCEPT/ { next } /^\\*/ { table = $0; next } { print family, table, $0 }'
done; done
ip -o link | sed 's/^[0-9]*: //; s/@if[0-9]*//' | awk '{print "link", $1, $2, $3, $4, $5}'
ip -o addr show scope global | awk '{print "address", $2, $3, $4}'
ip route show table all | sed 's/^/route /; s/ linkdown//; s/ *$//'
ip rule | sed 's/^/rule /'
`;

/** Looks at all of a host that a reset must put back. */
export async function snapshot(host: LabHost): Promise<Snapshot> {
  const [inside, network] = await Promise.all([
    host.exec(["bash", "-c", INSIDE]),
    inNetworkOf(host.name, ["bash", "-c", NETWORK]),
  ]);
  if (inside.exitCode !== 0) throw new Error(`Cannot take a snapshot of ${host.name}: ${inside.stderr}`);
  return `${inside.stdout}${network}`.split("\n").filter(Boolean).sort();
}

/** What is in one snapshot only: `-` was there before, `+` is there after. */
export function diff(before: Snapshot, after: Snapshot): string[] {
  return [
    ...subtract(before, after).map((line) => `- ${line}`),
    ...subtract(after, before).map((line) => `+ ${line}`),
  ];
}

/** Lines as often as they are more often in the first list: a rule that stands twice is a change too. */
function subtract(from: Snapshot, less: Snapshot): string[] {
  const left = new Map<string, number>();
  for (const line of less) left.set(line, (left.get(line) ?? 0) + 1);
  return from.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
