import type { SubjectNames } from "./names.ts";

/** What the names and addresses in the certificates of a node are made from. */
export interface PkiParams {
  nodeName: string;
  nodeIp: string;
  /** Address or name of the API for the other nodes. */
  masterIp: string;
  /** Address of the service `kubernetes`. */
  apiServiceIp: string;
  /** Domain of the cluster's services, for example `cluster.local`. */
  clusterDomain: string;
  /** Name of the API for users. */
  externalDnsName?: string | undefined;
  /** Further names and addresses in the certificate of the API. */
  extraNames: readonly string[];
}

/** What a node is in its cluster. */
export type PkiRole = "master" | "worker";

/** A certificate authority of the cluster. */
export interface CaSpec {
  id: string;
  /** Below the directory of the PKI, without `.crt` and `.key`. */
  path: string;
  commonName: string;
  organization?: string;
}

/** A certificate that an authority signs for one purpose. */
export interface CertSpec {
  id: string;
  /** Below the directory of the PKI, without `.crt` and `.key`. */
  path: string;
  /** Id of the authority. */
  ca: string;
  commonName(params: PkiParams): string;
  organization?: string;
  /** What the certificate proves: who calls, who answers, or both. */
  usage: "client" | "server" | "peer";
  /** Names and addresses that the holder is reached at; none for a mere client. */
  names?(params: PkiParams): SubjectNames;
  /** The roles that have it. */
  roles: readonly PkiRole[];
}

/** Base name of the pair that signs service-account tokens: `sa.key` and `sa.pub`. */
export const SERVICE_ACCOUNT = "sa";

/** The authorities. Each is a trust of its own: a certificate for etcd opens nothing in Kubernetes, and so on. */
export const authorities: readonly CaSpec[] = [
  { id: "ca", path: "ca", commonName: "kubernetes-ca" },
  { id: "etcd/ca", path: "etcd/ca", commonName: "etcd-ca" },
  { id: "front-proxy-ca", path: "front-proxy-ca", commonName: "front-proxy-ca" },
];

const loopback: SubjectNames = { dns: ["localhost"], ips: ["127.0.0.1", "::1"] };

const etcdNames = ({ nodeName, nodeIp }: PkiParams): SubjectNames => ({
  dns: [nodeName, ...loopback.dns],
  ips: [nodeIp, ...loopback.ips],
});

/** Names go into `dns` here; those that are addresses are told apart later. */
const apiNames = (params: PkiParams): SubjectNames => ({
  dns: [
    params.nodeName,
    params.nodeIp,
    params.masterIp,
    ...loopback.dns,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    `kubernetes.default.svc.${params.clusterDomain}`,
    ...(params.externalDnsName ? [params.externalDnsName] : []),
    ...params.extraNames,
  ],
  ips: [params.apiServiceIp, ...loopback.ips],
});

const masters = ["master"] as const;
const everyNode = ["master", "worker"] as const;

const client = (path: string, commonName: string, ca = "ca"): CertSpec => ({
  id: path,
  path,
  ca,
  commonName: () => commonName,
  usage: "client",
  roles: masters,
});

const kubelet = (path: string) => ({
  id: path,
  path,
  ca: "ca",
  // The Node authorizer and NodeRestriction tell nodes apart by this name and group.
  commonName: ({ nodeName }: PkiParams) => `system:node:${nodeName}`,
  organization: "system:nodes",
  roles: everyNode,
});

const etcd = (path: string): CertSpec => ({
  id: path,
  path,
  ca: "etcd/ca",
  commonName: ({ nodeName }) => nodeName,
  // etcd's gateway calls its own client port with the certificate of the server.
  usage: "peer",
  names: etcdNames,
  roles: masters,
});

/** Without it the component would make itself a certificate at every start, that nobody can verify and that takes time. */
const onLoopback = (component: string): CertSpec => ({
  id: `${component}-server`,
  path: `${component}-server`,
  ca: "ca",
  commonName: () => component,
  usage: "server",
  names: () => loopback,
  roles: masters,
});

/** Every certificate of a node, apart from the authorities. */
export const certificates: readonly CertSpec[] = [
  {
    id: "apiserver",
    path: "apiserver",
    ca: "ca",
    commonName: () => "kube-apiserver",
    usage: "server",
    names: apiNames,
    roles: masters,
  },
  // No group: phase code binds this user to system:kubelet-api-admin, which is all that it needs.
  client("apiserver-kubelet-client", "kube-apiserver-kubelet-client"),
  client("apiserver-etcd-client", "kube-apiserver-etcd-client", "etcd/ca"),
  client("front-proxy-client", "front-proxy-client", "front-proxy-ca"),
  etcd("etcd/server"),
  etcd("etcd/peer"),
  client("etcd/healthcheck-client", "kube-etcd-healthcheck-client", "etcd/ca"),
  { ...client("admin", "kubernetes-admin"), organization: "system:masters" },
  {
    id: "join-server",
    path: "join-server",
    ca: "ca",
    commonName: () => "nodelet-join",
    usage: "server",
    names: apiNames,
    roles: masters,
  },
  client("kube-controller-manager", "system:kube-controller-manager"),
  onLoopback("kube-controller-manager"),
  client("kube-scheduler", "system:kube-scheduler"),
  onLoopback("kube-scheduler"),
  { ...client("kube-proxy", "system:kube-proxy"), roles: everyNode },
  // Whoever is known may ask an API server whether it is well; this identity can do nothing else.
  { ...client("health-check", "nodelet:health-check"), roles: everyNode },
  { ...kubelet("kubelet-client"), usage: "client" },
  {
    ...kubelet("kubelet-server"),
    usage: "server",
    names: ({ nodeName, nodeIp }) => ({ dns: [nodeName], ips: [nodeIp] }),
  },
];

/** The certificates that a node of this role has. */
export function certificatesOf(role: PkiRole): CertSpec[] {
  return certificates.filter((spec) => spec.roles.includes(role));
}

/** The authorities that the certificates of this role are signed by. */
export function authoritiesOf(role: PkiRole): CaSpec[] {
  const needed = new Set(certificatesOf(role).map((spec) => spec.ca));
  return authorities.filter((spec) => needed.has(spec.id));
}
