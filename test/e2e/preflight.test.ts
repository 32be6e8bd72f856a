// What nodelet says of a host before it becomes a node: every fault that can be made here, one by one and many at once,
// with the code, the remedy, and a page for each code. It changes nothing, and needs no root for what anybody can see.
import { describe, expect } from "bun:test";
import { during, expectUnchanged, settleKernel } from "../lab/faults.ts";
import { BUNDLE, initNode, story, type TestNode } from "../lab/harness.ts";
import { snapshot } from "../lab/snapshot.ts";

const PREFLIGHT = `nodelet preflight --bundle ${BUNDLE}`;

interface Found {
  code: string;
  message: string;
  hint: string;
}

/** What `preflight -o json` prints. */
interface Report {
  passed: { code: string }[];
  failures: Found[];
  warnings: Found[];
  unseen: { code: string; reason: string }[];
}

/** Runs preflight as data. @param within a shell command that the words of preflight are put behind */
async function look(node: TestNode, within = "exec"): Promise<Report & { exitCode: number }> {
  const done = await node.host.exec(["bash", "-c", `${within} ${PREFLIGHT} -o json`]);
  expect(done.stderr).toBe("");
  const report = JSON.parse(done.stdout) as Report;
  // All lab hosts and their tests share a disk, so how quick it is says nothing here.
  const warnings = report.warnings.filter(({ code }) => code !== "DiskSlow");
  return { ...report, warnings, exitCode: done.exitCode };
}

/** In namespaces of its own, where the host looks different to nodelet alone. */
const seeing = (changes: string, namespaces = "-m") =>
  `unshare ${namespaces} bash -c '${changes}; exec "$@"' bash`;

const codesOf = (list: readonly { code: string }[]) => list.map(({ code }) => code);

/** Finds exactly these failures and warnings, and says so with its exit code. */
async function expectFound(
  node: TestNode,
  found: { within?: string; failures?: string[]; warnings?: string[] },
): Promise<Report> {
  const report = await look(node, found.within);
  const { failures = [], warnings = [] } = found;
  expect([codesOf(report.failures), codesOf(report.warnings)]).toEqual([failures, warnings]);
  expect(report.exitCode).toBe(failures.length > 0 ? 3 : 0);
  return report;
}

describe("preflight", () => {
  const { step } = story({ name: "e2e-preflight", ip: "10.88.0.158" }, settleKernel);

  step("finds nothing on a good host, sees all of it, and changes nothing", async (node) => {
    const before = await snapshot(node.host);
    const { unseen } = await expectFound(node, {});
    expect(unseen).toEqual([]);
    const done = await node.host.exec(["bash", "-c", PREFLIGHT]);
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect(done.stdout).toMatch(
      /^\d{2,} checks passed, 0 failures, \d warnings?\. This host can become a node\.$/m,
    );
    await expectUnchanged(node, before);
  });

  step("needs no root, and says what it could not see", async (node) => {
    const report = await expectFound(node, {
      within: "setpriv --reuid 65534 --regid 65534 --clear-groups",
    });
    expect(codesOf(report.unseen)).toEqual(
      expect.arrayContaining(["NotRoot", "FirewallRules", "PodContainers", "EtcdLeftovers", "DiskSlow"]),
    );
  });

  step("names who holds a port, and how to end it", (node) =>
    during(
      node,
      {
        begin: `systemd-run -q -u squatter socat TCP-LISTEN:6443,fork - &&
          timeout 10 bash -c 'until ss -Hltn "sport = 6443" | grep -q .; do sleep 0.05; done'`,
        end: "systemctl stop squatter",
      },
      async () => {
        const pid = await node.sh("systemctl show squatter -P MainPID");
        const { failures } = await expectFound(node, { failures: ["PortInUse"] });
        expect(failures).toEqual([
          {
            code: "PortInUse",
            message: `Port 6443 (API server) is held by pid ${pid} (socat)`,
            hint: "stop it (systemctl stop squatter.service), or set --api-port",
          },
        ]);
      },
    ),
  );

  step("finds mounts where programs cannot be started, or nothing can be written", async (node) => {
    const { failures } = await expectFound(node, {
      within: seeing("mount -t tmpfs -o noexec none /opt; mount -t tmpfs -o ro none /etc/sysctl.d"),
      failures: ["MountOptions", "MountOptions", "NotWritable"],
    });
    expect(failures.map(({ hint }) => hint)).toEqual([
      "run mount -o remount,exec /opt and change it in /etc/fstab",
      "run mount -o remount,exec /opt and change it in /etc/fstab",
      "run mount -o remount,rw /etc/sysctl.d and change it in /etc/fstab, or mount a writable file system on /etc/sysctl.d",
    ]);
  });

  step("finds a small disk, and one that is memory", async (node) => {
    const { failures } = await expectFound(node, {
      within: seeing("mount -t tmpfs -o size=64m none /var/opt/pf9"),
      failures: ["DataFileSystem", "SpaceLow"],
      warnings: ["StorageChecklist"],
    });
    expect(failures[1]?.message).toBe(
      "The file system of /var/opt/pf9/etcd/data has 64 MiB free; expected 512 MiB: 512 MiB for etcd's data in /var/opt/pf9/etcd/data",
    );
  });

  step("follows a link to another disk, and judges that one", async (node) => {
    const { failures } = await expectFound(node, {
      within: seeing(
        "mount -t tmpfs -o size=2g none /mnt; mkdir /mnt/etcd /etc/pf9; mount -t tmpfs none /home; ln -s /mnt/etcd /home/etcd; mount -t tmpfs none /etc/pf9; mkdir -m 700 /etc/pf9/nodelet; echo etcdDataDir: /home/etcd >/etc/pf9/nodelet/a.yaml; chmod 600 /etc/pf9/nodelet/a.yaml",
      ),
      failures: ["DataFileSystem"],
    });
    expect(failures[0]?.message).toStartWith(
      '"/home/etcd" (etcd\'s data) is on /mnt, a file system of the type tmpfs',
    );
    await node.sh("rmdir /etc/pf9");
  });

  step("finds a full disk before the kubelet does", (node) =>
    during(
      node,
      {
        begin: "mkdir -p /dev/shm/kubelet",
        end: "rmdir /dev/shm/kubelet",
      },
      async () => {
        const fill = (megabytes: number) =>
          seeing(
            `mount -t tmpfs -o size=100m none /var/lib/kubelet; mkdir /var/lib/kubelet/lost+found; head -c ${megabytes}M /dev/zero >/var/lib/kubelet/lost+found/fill`,
          );
        await expectFound(node, { within: fill(82), warnings: ["DiskUsage"] });
        await expectFound(node, { within: fill(90), failures: ["DiskFull"] });
      },
    ),
  );

  step("takes capital letters in the host's name, and refuses localhost", async (node) => {
    await expectFound(node, { within: seeing("hostname CAPITAL", "-u") });
    const { failures } = await expectFound(node, {
      within: seeing("hostname localhost", "-u"),
      failures: ["NodeName"],
    });
    expect(failures[0]?.message).toBe(
      'The node\'s name is "localhost", which every host has for itself; expected a name of its own',
    );
  });

  step("finds a kernel that cannot, a name that nobody knows, and a machine without an id", async (node) => {
    await expectFound(node, {
      within: seeing(
        "hostname stranger; : >/dev/shm/empty; mount --bind /dev/shm/empty /etc/machine-id; mount --bind /dev/shm/empty /etc/resolv.conf; mount -t tmpfs none /sys/module",
        "-m -u",
      ),
      failures: ["KernelModuleMissing"],
      warnings: ["MachineId", "HostnameUnresolved"],
    });
    await node.sh("rm /dev/shm/empty");
  });

  step("finds a closed packet filter and another plugin's bridge, and the remedy helps", (node) =>
    during(
      node,
      {
        begin: `iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && iptables -P INPUT DROP &&
          ip link add cni0 type bridge && ip address add 10.244.0.1/24 dev cni0 && ip link set cni0 up`,
        end: "iptables -P INPUT ACCEPT; iptables -F INPUT; ip link delete cni0 2>/dev/null || true",
      },
      async () => {
        const { failures, warnings } = await expectFound(node, {
          failures: ["BridgeConflict"],
          warnings: ["FirewallRules"],
        });
        expect(failures[0]?.message).toBe(
          "The bridge cni0 is there with the block 10.244.0.0/24; expected none, or 10.20.0.0/24 of this node's pods",
        );
        const remedy = /^run (iptables .+) and (iptables .+), and keep/.exec(warnings[0]?.hint ?? "");
        await node.sh(`${remedy?.[1]} && ${remedy?.[2]} && ip link delete cni0`);
        await expectFound(node, {});
      },
    ),
  );

  const services = ["crio", "falcon-sensor", "NetworkManager", "nm-cloud-setup", "fapolicyd"];
  step("warns of all that may get in the way, at once", (node) =>
    during(
      node,
      {
        begin: `for name in ${services.join(" ")}; do systemd-run -q -u $name sleep infinity; done
          mkdir -p /etc/systemd/system.conf.d /var/lib/rancher/k3s/server /var/lib/k0s/bin
          printf '[Manager]\\nDefaultEnvironment=HTTPS_PROXY=http://10.0.0.1:3128\\n' >/etc/systemd/system.conf.d/proxy.conf
          touch /var/lib/kubelet/cpu_manager_state`,
        end: `systemctl stop ${services.join(" ")}; rm -r /etc/systemd/system.conf.d /var/lib/rancher /var/lib/k0s /var/lib/kubelet/cpu_manager_state`,
      },
      () =>
        expectFound(node, {
          warnings: [
            "FapolicydActive",
            "EndpointAgent",
            "NetworkManager",
            "NmCloudSetup",
            "ProxyForAll",
            "CrioActive",
            "ClusterLeftovers",
            "ClusterLeftovers",
            "KubeletLeftovers",
          ],
        }).then(() => {}),
    ),
  );

  step("refuses pods of containerd, and Docker as a snap", (node) =>
    during(
      node,
      {
        begin: "mkdir -p /run/containerd/io.containerd.runtime.v2.task/k8s.io/0123 /var/snap/docker",
        end: "rm -r /run/containerd/io.containerd.runtime.v2.task/k8s.io /var/snap",
      },
      () => expectFound(node, { failures: ["DockerSnap", "ForeignPods"] }).then(() => {}),
    ),
  );

  step("says that a stopped Docker could not be asked", (node) =>
    during(
      node,
      {
        begin: "systemctl stop docker.socket docker.service",
        end: "systemctl start docker.socket docker.service",
      },
      async () => {
        const { unseen } = await expectFound(node, {});
        expect(unseen.find(({ code }) => code === "PodContainers")?.reason).toBe("Docker does not answer");
      },
    ),
  );

  step("a worker is asked for a worker's things", async (node) => {
    await during(
      node,
      { begin: "mkdir -p /var/opt/pf9/etcd/data/member", end: "rm -r /var/opt/pf9/etcd" },
      async () => {
        await expectFound(node, { failures: ["EtcdLeftovers"] });
        const join = await node.nodelet(["preflight", "join", "--bundle", BUNDLE]);
        expect(join).toMatchObject({ exitCode: 0, stderr: "" });
        expect(join.stdout).toContain(
          "whether the certificates that are there are good: a master gives them to a node that joins",
        );
      },
    );
  });

  step("every code has its page on the host", async (node) => {
    const list = JSON.parse((await node.nodelet(["explain", "-o", "json"])).stdout) as { code: string }[];
    expect(list.length).toBeGreaterThan(60);
    const pages = await node.sh(
      `for code in ${codesOf(list).join(" ")}; do nodelet explain $code | head -1 || exit 1; done`,
    );
    expect(pages.split("\n").map((line) => line.split(" ")[0] ?? "")).toEqual(codesOf(list));
  });

  step("finds nothing on a node that runs", async (node) => {
    expect((await initNode(node)).stderr).not.toContain("warning:");
    await expectFound(node, {});
  });
});
