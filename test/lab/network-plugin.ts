import { join } from "node:path";
import { run } from "../../scripts/lib/run.ts";
import { placeProgram, writeImage } from "../../scripts/stack/docker-archive.ts";

/** The image of the stand-in, under a name that a registry would know. */
export const IMAGE = "calico/node:v3.18.1";

/** Writes the image as docker save does. @returns its archive */
export async function writePluginImage(dir: string): Promise<string> {
  const program = join(dir, "network-plugin");
  await run(["gcc", "-Os", "-static", "-s", "-o", program, join(import.meta.dir, "network-plugin.c")]);
  const root = join(dir, "root");
  await placeProgram(program, root, "/network-plugin");
  const archive = join(dir, "plugin.tar");
  await writeImage(root, archive, { reference: IMAGE, entrypoint: ["/network-plugin"] });
  return archive;
}

const conflist = {
  cniVersion: "0.4.0",
  name: "k8s-pod-network",
  plugins: [
    {
      type: "bridge",
      bridge: "vxlan.calico",
      isDefaultGateway: true,
      ipMasq: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "${NODELET_CONTAINERS_CIDR}" }]] },
    },
  ],
};

/**
 * A manifest in the manner of Calico's: a definition and an object of it, a list, an octal number, a placeholder, and a DaemonSet
 * that writes the configuration of CNI.
 */
export const MANIFEST = `# What Calico has, in small.
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: calico-node
  namespace: kube-system
  creationTimestamp: null
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template:
    metadata: {labels: {k8s-app: calico-node}}
    spec:
      hostNetwork: true
      serviceAccountName: calico-node
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
        - name: calico-node
          image: ${IMAGE}
          ports: [{containerPort: 9099}]
          command: [/network-plugin, /host/10-calico.conflist, '${JSON.stringify(conflist)}']
          volumeMounts: [{name: cni, mountPath: /host}, {name: config, mountPath: /config}]
      volumes:
        - {name: cni, hostPath: {path: /etc/cni/net.d}}
        - {name: config, configMap: {name: calico-config, defaultMode: 0440}}
---
# Nothing but words.
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ServiceAccount, metadata: {name: calico-node, namespace: kube-system}}
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: calico-config, namespace: kube-system}
    data: {pool: "\${NODELET_CONTAINERS_CIDR}", calico_backend: bird, at: "22:22"}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default}
spec: {cidr: "\${NODELET_CONTAINERS_CIDR}"}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ippools.crd.projectcalico.org}
spec:
  scope: Cluster
  group: crd.projectcalico.org
  names: {kind: IPPool, plural: ippools, singular: ippool}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
status: {acceptedNames: {kind: "", plural: ""}, conditions: [], storedVersions: []}
`;
