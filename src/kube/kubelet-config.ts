import type { Config } from "../config/config.ts";
import type { NodeFacts } from "../node-facts.ts";
import { paths } from "../paths.ts";

/** Where the ConfigMaps of kubelets are. */
export const CONFIG_NAMESPACE = "kube-system";

/** The ConfigMaps that hold the default kubelet configuration of masters and of workers. */
export const CONFIG_MAPS = {
  master: "master-default-kubelet-config",
  worker: "worker-default-kubelet-config",
} as const;

/** Where a kubelet of this role takes its configuration from, as its Node says it. */
export function kubeletConfigSource(role: keyof typeof CONFIG_MAPS) {
  return {
    configMap: { name: CONFIG_MAPS[role], namespace: CONFIG_NAMESPACE, kubeletConfigKey: "kubelet" },
  };
}

/** What a KubeletConfiguration depends on. */
export interface KubeletInput {
  config: Config;
  node: NodeFacts;
  cgroupDriver: string;
  /** Masters run static pods from files. */
  master: boolean;
}

/**
 * The KubeletConfiguration of a node. The same text is the kubelet's file and, as a ConfigMap, the default that a
 * cluster's kubelets take.
 *
 * @see https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/
 */
export function kubeletConfiguration({ config, node, cgroupDriver, master }: KubeletInput) {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: "0.0.0.0",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true, cacheTTL: "10s" },
      x509: { clientCAFile: `${paths.certs}/ca.crt` },
    },
    authorization: { mode: "Webhook" },
    cgroupDriver,
    clusterDNS: [node.dnsIp],
    clusterDomain: config.clusterDomain,
    cpuManagerPolicy: config.cpuManagerPolicy,
    topologyManagerPolicy: config.topologyManagerPolicy,
    ...(config.reservedCpus && { reservedSystemCPUs: config.reservedCpus }),
    eventRecordQPS: 5,
    failSwapOn: !config.allowSwap,
    // Static pods are seen by inotify; the period is for file systems without it.
    fileCheckFrequency: "5s",
    hairpinMode: "hairpin-veth",
    healthzBindAddress: "127.0.0.1",
    healthzPort: 10248,
    // The default of 5 requests a second holds up a node that has several pods to start at once; 50 since 1.27.
    kubeAPIBurst: 100,
    kubeAPIQPS: 50,
    imageGCHighThresholdPercent: 95,
    imageGCLowThresholdPercent: 90,
    // Nothing can bring a removed image back on a node without a network.
    imageMinimumGCAge: "24h",
    maxPods: config.maxPods,
    nodeStatusReportFrequency: "1m",
    nodeStatusUpdateFrequency: "5s",
    ...(config.podPidsLimit && { podPidsLimit: config.podPidsLimit }),
    // 075-misc-scripts sets the kernel's values; the kubelet only checks them. CIS 4.2.6.
    protectKernelDefaults: true,
    readOnlyPort: 0,
    rotateCertificates: false,
    ...(master && { staticPodPath: paths.manifests }),
    streamingConnectionIdleTimeout: "30m",
    tlsCertFile: `${paths.certs}/kubelet-server.crt`,
    tlsPrivateKeyFile: `${paths.certs}/kubelet-server.key`,
    tlsMinVersion: "VersionTLS12",
    tlsCipherSuites: [
      "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
      "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
      "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ],
    // Its own default is below /usr, which may be read-only.
    volumePluginDir: paths.volumePlugins,
  };
}
