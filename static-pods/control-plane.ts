import { type HostMount, type PodContainer, type StaticPod, flagsOf, volumeName, volumesOf } from "./pod.ts";

/** Everything that the control plane's manifest depends on. */
export interface ControlPlane {
  nodeIp: string;
  apiPort: number;
  etcdServers: readonly string[];
  servicesCidr: string;
  containersCidr: string;
  clusterId: string;
  runtimeConfig: string | undefined;
  audit: { maxAgeDays: number; maxBackups: number; maxSizeMb: number };
  images: { apiServer: string; controllerManager: string; scheduler: string };
  extra: { apiServer: readonly string[]; controllerManager: readonly string[]; scheduler: readonly string[] };
  places: { certs: string; configs: string; kubeconfigs: string; auditDir: string; volumePlugins: string };
  /** Changes when a file that the components read only at their start changes, so that the kubelet starts them anew. */
  inputs: string;
  verbosity: number;
}

/** The annotation with {@linkcode ControlPlane.inputs}; the kubelet hands it on to the pod's first container. */
export const INPUTS = "nodelet.pf9.io/inputs";

/** TLS 1.2 suites with forward secrecy and AEAD; TLS 1.3 has no others. CIS 1.2.29. */
const CIPHERS = [
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
  "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
].join(",");

/** The static pod `k8s-master`: apiserver, controller-manager and scheduler. */
export function controlPlanePod(cp: ControlPlane): StaticPod {
  const components = [apiServer(cp), controllerManager(cp), scheduler(cp)];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "k8s-master",
      namespace: "kube-system",
      labels: { component: "k8s-master", tier: "control-plane" },
      annotations: { [INPUTS]: cp.inputs },
    },
    spec: {
      hostNetwork: true,
      priorityClassName: "system-node-critical",
      // The API server would use all of it for watches, which are begun anew anyway.
      terminationGracePeriodSeconds: 3,
      containers: components.map(({ container }) => container),
      volumes: volumesOf(components.flatMap(({ mounts }) => mounts)),
    },
  };
}

interface Component {
  container: PodContainer;
  mounts: HostMount[];
}

function component(details: {
  name: string;
  image: string;
  flags: string[];
  cpu: string;
  mounts: HostMount[];
  probe: Record<string, unknown>;
}): Component {
  const container: PodContainer = {
    name: details.name,
    image: details.image,
    imagePullPolicy: "Never",
    command: [details.name, ...details.flags],
    resources: { requests: { cpu: details.cpu } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: {
        drop: ["ALL"],
        ...(details.name === "kube-apiserver" && { add: ["NET_BIND_SERVICE"] }),
      },
    },
    livenessProbe: {
      initialDelaySeconds: 20,
      periodSeconds: 10,
      timeoutSeconds: 15,
      failureThreshold: 8,
      ...details.probe,
    },
    volumeMounts: details.mounts.map((mount) => ({
      name: volumeName(mount.path),
      mountPath: mount.path,
      readOnly: mount.readOnly,
    })),
  };
  return { container, mounts: details.mounts };
}

/** While the API server starts, everything else on a small host waits for it: it gets the larger share of the cores. */
const CPU = { apiServer: "250m", others: "50m" };

function apiServer(cp: ControlPlane): Component {
  const { certs, configs, auditDir } = cp.places;
  const flags = {
    "advertise-address": cp.nodeIp,
    "allow-privileged": "true",
    // Anonymous requests are refused everywhere, health included; we ask with a certificate. CIS 1.2.1.
    "anonymous-auth": "false",
    "audit-log-maxage": String(cp.audit.maxAgeDays),
    "audit-log-maxbackup": String(cp.audit.maxBackups),
    "audit-log-maxsize": String(cp.audit.maxSizeMb),
    "audit-log-path": `${auditDir}/audit.log`,
    "audit-policy-file": `${configs}/audit-policy.yaml`,
    "authorization-mode": "Node,RBAC",
    "client-ca-file": `${certs}/ca.crt`,
    "enable-admission-plugins": "NodeRestriction",
    "encryption-provider-config": `${configs}/encryption.yaml`,
    "etcd-cafile": `${certs}/etcd/ca.crt`,
    "etcd-certfile": `${certs}/apiserver-etcd-client.crt`,
    "etcd-keyfile": `${certs}/apiserver-etcd-client.key`,
    "etcd-servers": cp.etcdServers.join(","),
    "kubelet-certificate-authority": `${certs}/ca.crt`,
    "kubelet-client-certificate": `${certs}/apiserver-kubelet-client.crt`,
    "kubelet-client-key": `${certs}/apiserver-kubelet-client.key`,
    "kubelet-preferred-address-types": "InternalIP,Hostname",
    profiling: "false",
    "proxy-client-cert-file": `${certs}/front-proxy-client.crt`,
    "proxy-client-key-file": `${certs}/front-proxy-client.key`,
    "requestheader-allowed-names": "front-proxy-client",
    "requestheader-client-ca-file": `${certs}/front-proxy-ca.crt`,
    "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    "requestheader-group-headers": "X-Remote-Group",
    "requestheader-username-headers": "X-Remote-User",
    "secure-port": String(cp.apiPort),
    "service-account-extend-token-expiration": "false",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": `${certs}/sa.pub`,
    "service-account-lookup": "true",
    "service-account-signing-key-file": `${certs}/sa.key`,
    "service-cluster-ip-range": cp.servicesCidr,
    "tls-cert-file": `${certs}/apiserver.crt`,
    "tls-cipher-suites": CIPHERS,
    "tls-min-version": "VersionTLS12",
    "tls-private-key-file": `${certs}/apiserver.key`,
    v: String(cp.verbosity),
    ...(cp.runtimeConfig && { "runtime-config": cp.runtimeConfig }),
  };
  return component({
    name: "kube-apiserver",
    image: cp.images.apiServer,
    flags: flagsOf(flags, cp.extra.apiServer),
    cpu: CPU.apiServer,
    mounts: [
      { path: certs, type: "Directory", readOnly: true },
      { path: configs, type: "Directory", readOnly: true },
      { path: auditDir, type: "Directory", readOnly: false },
    ],
    // Without anonymous requests the kubelet can only see that the port is open.
    probe: { tcpSocket: { host: "127.0.0.1", port: cp.apiPort } },
  });
}

function controllerManager(cp: ControlPlane): Component {
  const { certs, kubeconfigs, volumePlugins } = cp.places;
  const kubeconfig = `${kubeconfigs}/kube-controller-manager.yaml`;
  const flags = {
    // Pod blocks are given to nodes by nodelet, which also writes them into the network plugin's configuration.
    "allocate-node-cidrs": "false",
    "authentication-kubeconfig": kubeconfig,
    "authorization-kubeconfig": kubeconfig,
    "bind-address": "127.0.0.1",
    "client-ca-file": `${certs}/ca.crt`,
    "cluster-cidr": cp.containersCidr,
    "cluster-name": cp.clusterId,
    "cluster-signing-cert-file": `${certs}/ca.crt`,
    "cluster-signing-key-file": `${certs}/ca.key`,
    "flex-volume-plugin-dir": volumePlugins,
    // Thirty controllers, each with an account of its own to make: with the default of 20 a second, starting takes 4 s.
    "kube-api-burst": "200",
    "kube-api-qps": "100",
    kubeconfig,
    "leader-elect": "true",
    "leader-elect-retry-period": "500ms",
    port: "0",
    profiling: "false",
    "requestheader-client-ca-file": `${certs}/front-proxy-ca.crt`,
    "root-ca-file": `${certs}/ca.crt`,
    "service-account-private-key-file": `${certs}/sa.key`,
    "service-cluster-ip-range": cp.servicesCidr,
    "terminated-pod-gc-threshold": "1000",
    "tls-cert-file": `${certs}/kube-controller-manager-server.crt`,
    "tls-cipher-suites": CIPHERS,
    "tls-min-version": "VersionTLS12",
    "tls-private-key-file": `${certs}/kube-controller-manager-server.key`,
    "use-service-account-credentials": "true",
    v: String(cp.verbosity),
  };
  return component({
    name: "kube-controller-manager",
    image: cp.images.controllerManager,
    flags: flagsOf(flags, cp.extra.controllerManager),
    cpu: CPU.others,
    mounts: [
      { path: certs, type: "Directory", readOnly: true },
      { path: kubeconfig, type: "File", readOnly: true },
      { path: volumePlugins, type: "Directory", readOnly: true },
    ],
    probe: { httpGet: { host: "127.0.0.1", path: "/healthz", port: 10257, scheme: "HTTPS" } },
  });
}

function scheduler(cp: ControlPlane): Component {
  const { certs, kubeconfigs } = cp.places;
  const kubeconfig = `${kubeconfigs}/kube-scheduler.yaml`;
  const flags = {
    "authentication-kubeconfig": kubeconfig,
    "authorization-kubeconfig": kubeconfig,
    "bind-address": "127.0.0.1",
    kubeconfig,
    "leader-elect": "true",
    "leader-elect-retry-period": "500ms",
    port: "0",
    profiling: "false",
    "tls-cert-file": `${certs}/kube-scheduler-server.crt`,
    "tls-cipher-suites": CIPHERS,
    "tls-min-version": "VersionTLS12",
    "tls-private-key-file": `${certs}/kube-scheduler-server.key`,
    v: String(cp.verbosity),
  };
  return component({
    name: "kube-scheduler",
    image: cp.images.scheduler,
    flags: flagsOf(flags, cp.extra.scheduler),
    cpu: CPU.others,
    mounts: [
      { path: `${certs}/kube-scheduler-server.crt`, type: "File", readOnly: true },
      { path: `${certs}/kube-scheduler-server.key`, type: "File", readOnly: true },
      { path: kubeconfig, type: "File", readOnly: true },
    ],
    probe: { httpGet: { host: "127.0.0.1", path: "/healthz", port: 10259, scheme: "HTTPS" } },
  });
}
