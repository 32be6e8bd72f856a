// Traces of other clusters on a host, and bundles that are not what they should be: refused before the first change.
import { describe } from "bun:test";
import { during, expectRefusal, preflightText, settleKernel } from "../lab/faults.ts";
import { BUNDLE, STACK, story } from "../lab/harness.ts";

const INIT = `nodelet init --bundle ${BUNDLE}`;
/** A stack directory that a test makes bad. */
const BAD = "/dev/shm/bundle";
const OTHER = "11111111-2222-3333-4444-555555555555";
const OURS = "99999999-2222-3333-4444-555555555555";

describe("init on the leftovers of another cluster", () => {
  const { step } = story({ name: "e2e-fault-left", ip: "10.88.0.151" }, settleKernel);

  step("refuses etcd data that is not its own", (node) =>
    during(node, { begin: "mkdir -p /var/opt/pf9/etcd/data/member", end: "rm -r /var/opt/pf9/etcd" }, () =>
      expectRefusal(node, {
        script: INIT,
        exitCode: 3,
        stderr: preflightText([
          "EtcdLeftovers",
          'There are leftovers of another cluster: "/var/opt/pf9/etcd/data" holds member; expected an empty directory',
          "move it away: mv /var/opt/pf9/etcd/data /var/opt/pf9/etcd/data.old, or set --etcd-data-dir to another directory",
        ]),
      }),
    ),
  );

  step("refuses files of kubeadm", (node) =>
    during(
      node,
      {
        begin:
          "mkdir -p /etc/kubernetes/manifests && touch /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/admin.conf",
        end: "rm -r /etc/kubernetes",
      },
      () =>
        expectRefusal(node, {
          script: INIT,
          exitCode: 3,
          stderr: preflightText([
            "KubeadmLeftovers",
            "There are leftovers of a cluster made by kubeadm: /etc/kubernetes/manifests/kube-apiserver.yaml, /etc/kubernetes/admin.conf; expected none",
            "run kubeadm reset -f, or move them away: mv /etc/kubernetes /etc/kubernetes.old",
          ]),
        }),
    ),
  );

  step("refuses containers that have the name of its own, and those of another kubelet", (node) =>
    during(
      node,
      {
        begin: `head -c 1024 /dev/zero | docker import - foreign:1 &&
          docker create --name etcd foreign:1 x && docker create --name k8s_POD_web-1 foreign:1 x`,
        end: "docker rm etcd k8s_POD_web-1 && docker rmi foreign:1",
      },
      async () => {
        const id = (await node.sh("docker inspect -f '{{.Id}}' etcd")).slice(0, 12);
        await expectRefusal(node, {
          script: INIT,
          exitCode: 3,
          stderr: preflightText(
            [
              "ContainerNameTaken",
              `The container "etcd" (${id}) is not one of nodelet's; expected the name to be free`,
              "rename it (docker rename etcd etcd-old) or remove it (docker rm -f etcd)",
            ],
            [
              "PodContainers",
              "There are containers of another cluster's kubelet: k8s_POD_web-1; expected none",
              "remove them: docker ps -aq --filter name=k8s_ | xargs docker rm -f",
            ],
          ),
        });
      },
    ),
  );

  step("refuses a host that is recorded as a node of another cluster", (node) =>
    during(
      node,
      {
        begin: `mkdir /var/opt/pf9/nodelet && echo '{"clusterId":"${OTHER}","role":"master"}' >/var/opt/pf9/nodelet/cluster.json`,
        end: "rm -r /var/opt/pf9/nodelet",
      },
      () =>
        expectRefusal(node, {
          script: `${INIT} --cluster-id ${OURS}`,
          exitCode: 3,
          stderr: preflightText([
            "ClusterMismatch",
            `This host is a master of the cluster ${OTHER}; the configuration makes it a master of ${OURS}`,
            "run nodelet reset first",
          ]),
        }),
    ),
  );
});

describe("init with a bundle that is not good", () => {
  const { step } = story({ name: "e2e-fault-bundle", ip: "10.88.0.152" }, async (node) => {
    await settleKernel(node);
    // Names of the shared files; what a test makes bad is a copy in the place of one.
    await node.sh(`cp -rs ${STACK} ${BAD}`);
  });
  const init = `nodelet init --insecure-bundle --bundle ${BAD}`;
  const again = `for name in index.json bin/kubectl bin/kubelet images/etcd.tar cni/bridge; do ln -sfn ${STACK}/$name ${BAD}/$name; done`;
  const index = (change: string) =>
    `rm ${BAD}/index.json && jq '${change}' ${STACK}/index.json >${BAD}/index.json`;

  step("refuses to go on without one", async (node) => {
    const hint = "    name it with --bundle FILE\n  nodelet explain CODE tells more\n";
    const head = "error: Cannot go on: 1 preflight check failed\n  [Bundle] ";
    await expectRefusal(node, {
      script: "nodelet init",
      exitCode: 3,
      stderr: `${head}Cannot open the bundle: none was given, this program carries none, and this host has none installed\n${hint}`,
    });
    await expectRefusal(node, {
      script: "nodelet init --bundle /nowhere",
      exitCode: 3,
      stderr: `${head}Cannot open the bundle: there is no "/nowhere"\n${hint}`,
    });
  });

  step("refuses one for another platform, with entries missing", (node) =>
    during(
      node,
      {
        begin: index(
          '.platform = "linux/arm64" | .entries |= map(select(.name != "etcd" and .name != "kubectl"))',
        ),
        end: again,
      },
      () =>
        expectRefusal(node, {
          script: init,
          exitCode: 3,
          stderr: preflightText(
            [
              "BundlePlatform",
              'Bundle "kubernetes-1.20.2" is for linux/arm64; this host is linux/amd64',
              "use the bundle made for this platform",
            ],
            ["BundleIncomplete", 'Bundle "kubernetes-1.20.2" has no image "etcd"', "make the bundle again"],
            [
              "BundleIncomplete",
              'Bundle "kubernetes-1.20.2" has no program "kubectl"',
              "make the bundle again",
            ],
          ),
        }),
    ),
  );

  step("refuses one with a damaged, a truncated and a lost file, and names all three", (node) =>
    during(
      node,
      {
        begin: `cd ${BAD} && rm cni/bridge && cp --remove-destination ${STACK}/bin/kubectl bin/kubectl &&
          printf X | dd of=bin/kubectl bs=1 seek=4096 conv=notrunc status=none &&
          rm images/etcd.tar && head -c 1000 ${STACK}/images/etcd.tar >images/etcd.tar`,
        end: again,
      },
      async () => {
        const entry = (name: string) =>
          node.sh(
            `jq -r '.entries[] | select(.name == "${name}") | "\\(.size) \\(.sha256)"' ${STACK}/index.json`,
          );
        const [, wanted = ""] = (await entry("kubectl")).split(" ");
        const found = await node.sh(`sha256sum ${BAD}/bin/kubectl`);
        const [size] = (await entry("etcd")).split(" ");
        const hint = "copy the bundle again; the copy or its medium is damaged";
        const findings: Record<string, [string, string, string]> = {
          kubectl: [
            "BundleFileDigest",
            `Bundle file "${BAD}/bin/kubectl" has sha256 ${found.slice(0, 16)}…; expected ${wanted.slice(0, 16)}…`,
            hint,
          ],
          etcd: [
            "BundleFileSize",
            `Bundle file "${BAD}/images/etcd.tar" has 1000 bytes; expected ${size}`,
            hint,
          ],
          bridge: ["BundleFileMissing", `Bundle file "${BAD}/cni/bridge" is missing`, hint],
        };
        const order = (await node.sh(`jq -r '.entries[].name' ${STACK}/index.json`))
          .split("\n")
          .filter((name) => name in findings);
        await expectRefusal(node, {
          script: init,
          exitCode: 3,
          stderr: preflightText(...order.map((name) => findings[name] as [string, string, string])),
        });
      },
    ),
  );

  step("refuses one whose index is cut off", (node) =>
    during(
      node,
      { begin: `cd ${BAD} && rm index.json && head -c 3000 ${STACK}/index.json >index.json`, end: again },
      () =>
        expectRefusal(node, {
          script: init,
          exitCode: 3,
          stderr: `error: Cannot go on: 1 preflight check failed\n  [Bundle] Cannot read the bundle index "${BAD}/index.json": it is not JSON; the file may be cut off\n    make the bundle again\n  nodelet explain CODE tells more\n`,
        }),
    ),
  );
});
