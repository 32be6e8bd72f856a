import type { Kube, KubeObject } from "./client.ts";

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const GROUP = "rbac.authorization.k8s.io";

/** The API server may send requests to kubelets; the role is Kubernetes' own. */
const KUBELET_CLIENT = binding("nodelet:kube-apiserver-kubelet-client", {
  role: "system:kubelet-api-admin",
  user: "kube-apiserver-kubelet-client",
});

/** What the scheduler looks at before it does anything. */
const SCHEDULER_READS = [
  { apiGroups: [""], resources: ["nodes", "pods", "services", "replicationcontrollers"] },
  { apiGroups: [""], resources: ["persistentvolumes", "persistentvolumeclaims"] },
  { apiGroups: ["apps"], resources: ["replicasets", "statefulsets"] },
  { apiGroups: ["policy"], resources: ["poddisruptionbudgets"] },
  { apiGroups: ["storage.k8s.io"], resources: ["storageclasses", "csinodes"] },
];

const LENT = "nodelet:kube-scheduler-start";

/** Gives the API server its rights on kubelets. @returns true when it did not have them */
export async function ensureKubeletClient(kube: Kube): Promise<boolean> {
  const path = `${RBAC}/clusterrolebindings/${KUBELET_CLIENT.metadata.name}`;
  if (await kube.get(path)) return false;
  await kube.apply(path, KUBELET_CLIENT);
  return true;
}

/** True when the API server answers an administrator, which is before it has made its own roles. */
export async function answers(kube: Kube): Promise<boolean> {
  const response = await kube.request("GET", `${RBAC}/clusterroles?limit=1`).catch(() => undefined);
  return response?.status === 200;
}

/**
 * Lends the scheduler of a new cluster its rights to look, for the second in which the API server has not made the role of
 * the scheduler. Refused then, it would ask again only after three more seconds, in which no pod starts.
 */
export async function lendSchedulerRights(kube: Kube): Promise<void> {
  if (await kube.get(`${RBAC}/clusterroles/system:kube-scheduler`)) return;
  await kube.apply(`${RBAC}/clusterroles/${LENT}`, {
    apiVersion: `${GROUP}/v1`,
    kind: "ClusterRole",
    metadata: { name: LENT },
    rules: SCHEDULER_READS.map((rule) => ({ ...rule, verbs: ["get", "list", "watch"] })),
  });
  const lent = binding(LENT, { role: LENT, user: "system:kube-scheduler" });
  await kube.apply(`${RBAC}/clusterrolebindings/${LENT}`, lent);
}

/** Takes back what was lent. */
export async function takeBackSchedulerRights(kube: Kube): Promise<void> {
  for (const kind of ["clusterrolebindings", "clusterroles"]) {
    const path = `${RBAC}/${kind}/${LENT}`;
    if (await kube.get(path)) await kube.request("DELETE", path);
  }
}

function binding(name: string, { role, user }: { role: string; user: string }): KubeObject {
  return {
    apiVersion: `${GROUP}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: GROUP, kind: "User", name: user }],
  };
}
