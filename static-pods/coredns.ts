import type { KubeObject } from "../src/kube/client.ts";

/** What the cluster's DNS depends on. */
export interface DnsOptions {
  image: string;
  /** Address of the service. */
  dnsIp: string;
  clusterDomain: string;
  /** Key of the taint that DNS must tolerate to run on a lone master. */
  masterTaint: string;
  /** Nodes of the cluster. */
  nodes: number;
}

const NAME = "coredns";
const NAMESPACE = "kube-system";
const LABELS = { "k8s-app": "kube-dns" };
const metadata = { name: NAME, namespace: NAMESPACE };

/** An object, and where it is applied. */
export interface Placed {
  path: string;
  object: KubeObject;
}

/** CoreDNS as objects of the API, in the order in which they are applied. */
export function corednsObjects(options: DnsOptions): Placed[] {
  const core = `/api/v1/namespaces/${NAMESPACE}`;
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  return [
    {
      path: `${core}/serviceaccounts/${NAME}`,
      object: { apiVersion: "v1", kind: "ServiceAccount", metadata },
    },
    { path: `${rbac}/clusterroles/system:coredns`, object: clusterRole() },
    { path: `${rbac}/clusterrolebindings/system:coredns`, object: clusterRoleBinding() },
    { path: `${core}/configmaps/${NAME}`, object: configMap(options) },
    { path: `${core}/services/kube-dns`, object: service(options) },
    { path: `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${NAME}`, object: deployment(options) },
  ];
}

/** Where the deployment is, to see how it is. */
export const COREDNS_DEPLOYMENT = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${NAME}`;

function clusterRole(): KubeObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "system:coredns" },
    rules: [
      {
        apiGroups: [""],
        resources: ["endpoints", "services", "pods", "namespaces"],
        verbs: ["list", "watch"],
      },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
    ],
  };
}

function clusterRoleBinding(): KubeObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "system:coredns" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
    subjects: [{ kind: "ServiceAccount", name: NAME, namespace: NAMESPACE }],
  };
}

function configMap({ clusterDomain }: DnsOptions): KubeObject {
  // No forward: behind closed doors there is no name server to ask, and one that does not answer would stall every name.
  const corefile = `.:53 {
    errors
    health :8080 {
        lameduck 3s
    }
    ready :8181
    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    cache 30
    reload
    loadbalance
}
`;
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { Corefile: corefile } };
}

function service({ dnsIp }: DnsOptions): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kube-dns",
      namespace: NAMESPACE,
      labels: { ...LABELS, "kubernetes.io/name": "CoreDNS" },
    },
    spec: {
      clusterIP: dnsIp,
      selector: LABELS,
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "dns-tcp", port: 53, protocol: "TCP" },
      ],
    },
  };
}

function deployment({ image, masterTaint, nodes }: DnsOptions): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...metadata, labels: LABELS },
    spec: {
      // As soon as there is a second node, the loss of one leaves names.
      replicas: nodes > 1 ? 2 : 1,
      selector: { matchLabels: LABELS },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: LABELS },
        spec: {
          serviceAccountName: NAME,
          priorityClassName: "system-cluster-critical",
          dnsPolicy: "Default",
          // A little longer than its lame duck. Without a network it would never end by itself.
          terminationGracePeriodSeconds: 4,
          tolerations: [
            { key: "CriticalAddonsOnly", operator: "Exists" },
            { key: masterTaint, effect: "NoSchedule" },
            // A node that is just coming up. Refused once, the pod would be tried again only seconds later.
            { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" },
            // Not the five minutes that others wait for a node that is lost: it is somebody's name server.
            ...["not-ready", "unreachable"].map((what) => ({
              key: `node.kubernetes.io/${what}`,
              effect: "NoExecute",
              tolerationSeconds: 15,
            })),
          ],
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 100,
                  podAffinityTerm: {
                    labelSelector: { matchLabels: LABELS },
                    topologyKey: "kubernetes.io/hostname",
                  },
                },
              ],
            },
          },
          containers: [container(image)],
          volumes: [
            { name: "config", configMap: { name: NAME, items: [{ key: "Corefile", path: "Corefile" }] } },
          ],
        },
      },
    },
  };
}

function container(image: string) {
  return {
    name: NAME,
    image,
    imagePullPolicy: "Never",
    command: ["coredns", "-conf", "/etc/coredns/Corefile"],
    resources: { limits: { memory: "170Mi" }, requests: { cpu: "100m", memory: "70Mi" } },
    ports: [
      { name: "dns", containerPort: 53, protocol: "UDP" },
      { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
    ],
    volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
    livenessProbe: {
      httpGet: { path: "/health", port: 8080 },
      initialDelaySeconds: 60,
      timeoutSeconds: 5,
      failureThreshold: 5,
    },
    readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
    },
  };
}
