// A host, a configuration or a bundle that cannot become a node: init names the thing, what it found and the way out, and
// changes nothing. A Docker that is too old is left to the unit tests: there is only one real version here.
import { describe } from "bun:test";
import { during, expectRefusal, preflightText, settleKernel } from "../lab/faults.ts";
import { BUNDLE, story } from "../lab/harness.ts";

const INIT = `nodelet init --bundle ${BUNDLE}`;

/** In a mount namespace of its own, where the host looks different to nodelet alone. */
const seeing = (mounts: string, command = INIT) => `unshare -m bash -c '${mounts}; exec ${command}'`;

describe("init on a host that cannot be a node", () => {
  const { step } = story({ name: "e2e-fault-host", ip: "10.88.0.150" }, settleKernel);

  step("refuses another user than root", (node) =>
    expectRefusal(node, {
      script: `setpriv --reuid 65534 --regid 65534 --clear-groups ${INIT}`,
      exitCode: 3,
      stderr: preflightText(["NotRoot", "Running as user 65534; expected root", "run it with sudo"]),
    }),
  );

  step("refuses a host whose first process is not systemd", (node) =>
    expectRefusal(node, {
      script: `unshare -m -p -f --mount-proc bash -c 'mount -t tmpfs none /run/systemd; ${INIT}; exit $?'`,
      exitCode: 3,
      stderr: preflightText([
        "SystemdMissing",
        'systemd does not run on this host: process 1 is "bash"; expected systemd with /run/systemd/system',
        "use a host that was booted with systemd",
      ]),
    }),
  );

  step("refuses a host without Docker", (node) =>
    during(
      node,
      {
        begin: `systemctl stop docker.socket docker.service && mkdir -p /dev/shm/away &&
          mv /lib/systemd/system/docker.{service,socket} /etc/init.d/docker /dev/shm/away && systemctl daemon-reload`,
        end: `mv /dev/shm/away/docker /etc/init.d/ && mv /dev/shm/away/docker.* /lib/systemd/system/ &&
          systemctl daemon-reload && systemctl start docker`,
      },
      () =>
        expectRefusal(node, {
          script: INIT,
          exitCode: 3,
          stderr: preflightText([
            "DockerMissing",
            "Docker is not installed: there is no unit docker.service and nothing answers on its socket; expected Docker 19.03 or later as docker.service",
            "install it (Debian, Ubuntu: apt-get install docker.io), or use a bundle that brings a container runtime",
          ]),
        }),
    ),
  );

  step("refuses a cgroup driver on dockerd's command line that is not the wanted one", (node) =>
    during(
      node,
      {
        begin: `mkdir /etc/systemd/system/docker.service.d && printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H fd:// --exec-opt native.cgroupdriver=cgroupfs\\n' >/etc/systemd/system/docker.service.d/driver.conf &&
          systemctl daemon-reload && systemctl restart docker`,
        end: `rm -r /etc/systemd/system/docker.service.d && systemctl daemon-reload && systemctl restart docker`,
      },
      () =>
        expectRefusal(node, {
          script: `${INIT} --docker-cgroup-driver systemd`,
          exitCode: 3,
          stderr: preflightText([
            "CgroupDriverMismatch",
            "Docker's cgroup driver is fixed to cgroupfs on the command line of dockerd; expected no native.cgroupdriver there, so that daemon.json can set systemd",
            "remove it from docker.service (systemctl edit --full docker.service), or set --docker-cgroup-driver to auto",
          ]),
        }),
    ),
  );

  step("refuses a daemon.json that is none", (node) =>
    during(
      node,
      { begin: `echo '{"log-driver": ' >/dev/shm/daemon.json`, end: "rm /dev/shm/daemon.json" },
      () =>
        expectRefusal(node, {
          script: seeing("mount --bind /dev/shm/daemon.json /etc/docker/daemon.json"),
          exitCode: 3,
          stderr: preflightText([
            "DaemonJsonInvalid",
            '"/etc/docker/daemon.json" is not a JSON object; expected settings of Docker',
            "correct or remove it",
          ]),
        }),
    ),
  );

  // Swap of one lab host would be swap of all of them: the kernel is one. So its list of swaps is put over.
  step("refuses swap", (node) =>
    during(
      node,
      {
        begin: `printf 'Filename\\tType\\tSize\\tUsed\\tPriority\\n/dev/sdb2\\tpartition\\t1\\t0\\t-2\\n' >/dev/shm/swaps`,
        end: "rm /dev/shm/swaps",
      },
      () =>
        expectRefusal(node, {
          script: seeing("mount --bind /dev/shm/swaps /proc/swaps"),
          exitCode: 3,
          stderr: preflightText([
            "SwapOn",
            "Swap is on: /dev/sdb2; expected none",
            "run swapoff -a and remove it from /etc/fstab, or set --allow-swap",
          ]),
        }),
    ),
  );

  step("refuses a kernel without a module and without settings", (node) =>
    expectRefusal(node, {
      script: seeing("mount -t tmpfs none /proc/sys/kernel/keys; mount -t tmpfs none /sys/module"),
      exitCode: 3,
      stderr: preflightText(
        [
          "KernelModuleMissing",
          "The kernel has no overlay: none of /sys/module/overlay exists, and its modules do not list overlay",
          "install the modules of the running kernel (Debian: linux-image-$(uname -r)), or boot a kernel that has it",
        ],
        ...["maxkeys", "maxbytes"].map((name): [string, string, string] => [
          "SysctlMissing",
          `The kernel has no setting kernel.keys.root_${name}; expected /proc/sys/kernel/keys/root_${name}`,
          "boot a kernel that has it, or give the container that this host is its /proc/sys",
        ]),
      ),
    }),
  );

  step("tells all that is wrong at once: address, two ports with their holders, a block in use", (node) =>
    during(
      node,
      {
        begin: `systemd-run -q -u squatter socat TCP-LISTEN:6443,fork - && systemd-run -q -u lodger socat TCP-LISTEN:10250,bind=127.0.0.1,fork - &&
          timeout 10 bash -c 'until [ "$(ss -Hltn "sport = 6443 or sport = 10250" | wc -l)" = 2 ]; do sleep 0.05; done'`,
        end: "systemctl stop squatter lodger",
      },
      async () => {
        const pid = (unit: string) => node.sh(`systemctl show ${unit} -P MainPID`);
        await expectRefusal(node, {
          script: `${INIT} --node-ip 10.99.0.200 --containers-cidr 10.88.0.0/16`,
          exitCode: 3,
          stderr: preflightText(
            [
              "NodeIpMissing",
              `The node's address 10.99.0.200 is not on this host; expected one of its addresses: ${node.ip} (eth0)`,
              "set --node-ip to one of them",
            ],
            [
              "CidrOverlap",
              "The block of pods 10.88.0.0/16 overlaps a network of this host: 10.88.0.0/24 (eth0); expected a block of its own",
              "set --containers-cidr to a free block, for example 10.20.0.0/16",
            ],
            [
              "PortInUse",
              `Port 6443 (API server) is held by pid ${await pid("squatter")} (socat)`,
              "stop it (systemctl stop squatter.service), or set --api-port",
            ],
            [
              "PortInUse",
              `Port 10250 (kubelet) is held by pid ${await pid("lodger")} (socat)`,
              "stop it (systemctl stop lodger.service)",
            ],
          ),
        });
      },
    ),
  );

  step("tells all that is wrong in the configuration at once, by its flags", async (node) => {
    await expectRefusal(node, {
      script: `${INIT} --containers-cidr 10.20.0.0/33 --services-cidr banana --node-ip 10.88.0.999 --network-plugin cilium`,
      exitCode: 4,
      stderr: `error: Configuration is not valid: 4 problems
  --node-ip: "10.88.0.999" is not an IP address; expected for example 192.0.2.10
  --containers-cidr: "10.20.0.0/33" is not a CIDR; expected for example 10.20.0.0/16
  --services-cidr: "banana" is not a CIDR; expected for example 10.21.0.0/16
  --network-plugin: "cilium" is not accepted; expected bridge, flannel, calico, canal, weave or noop
`,
    });
    await expectRefusal(node, {
      script: `${INIT} --containers-cidr 10.30.0.0/16 --services-cidr 10.30.64.0/20`,
      exitCode: 4,
      stderr: `error: Configuration is not valid: 1 problem
  --services-cidr: containersCidr 10.30.0.0/16 and servicesCidr 10.30.64.0/20 overlap; expected no common address
`,
    });
  });

  step("refuses what is no command line", (node) =>
    expectRefusal(node, {
      script: `${INIT} --bogus`,
      exitCode: 2,
      stderr: "error: unknown option '--bogus'\n  see nodelet --help\n",
    }),
  );
});
