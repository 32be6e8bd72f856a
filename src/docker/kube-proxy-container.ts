import type { Ctx } from "../ctx.ts";
import type { ContainerSpec } from "./docker.ts";

/** Label by which a changed configuration makes a new container. */
const INPUTS = "io.pf9.nodelet.inputs";

/**
 * The KubeProxyConfiguration of a node.
 *
 * @param options `conntrackWritable`: false where the kernel's connection table belongs to somebody else, as in a
 * network namespace: kube-proxy would end when it cannot set its size, so it is told to leave it
 * @see https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
 */
export function kubeProxyConfiguration(
  { config, node, paths }: Pick<Ctx, "config" | "node" | "paths">,
  options: { conntrackWritable: boolean },
) {
  const own = { maxPerCore: config.maxNatConn ?? 32768 };
  const foreign = { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" };
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    // The address of the node: with 0.0.0.0 it would wait for the API to tell it.
    bindAddress: node.ip,
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    clientConnection: { kubeconfig: `${paths.kubeconfigs}/kube-proxy.yaml`, qps: 50, burst: 100 },
    clusterCIDR: config.containersCidr,
    conntrack: options.conntrackWritable ? own : foreign,
    hostnameOverride: node.name,
    // A full second by default, in which a new endpoint gets no packets; a node's rules are written in a tenth of one.
    iptables: { minSyncPeriod: "200ms" },
    mode: config.kubeProxyMode,
  };
}

/** The container `proxy` of a node. It is privileged: it writes the host's firewall. */
export function kubeProxyContainer(
  { config, bundle, paths }: Pick<Ctx, "config" | "bundle" | "paths">,
  options: { inputs: string; hasModules: boolean },
): ContainerSpec {
  const kubeconfig = `${paths.kubeconfigs}/kube-proxy.yaml`;
  const configFile = `${paths.configs}/kube-proxy.yaml`;
  return {
    name: "proxy",
    imageId: bundle.image("kube-proxy").imageId,
    command: ["kube-proxy", `--config=${configFile}`, `--v=${config.debug ? 8 : 2}`],
    mounts: [
      { source: kubeconfig, target: kubeconfig, readOnly: true },
      { source: configFile, target: configFile, readOnly: true },
      { source: "/run/xtables.lock", target: "/run/xtables.lock", readOnly: false },
      ...(options.hasModules ? [{ source: "/lib/modules", target: "/lib/modules", readOnly: true }] : []),
    ],
    labels: { [INPUTS]: options.inputs },
    privileged: true,
    readOnlyRoot: true,
    oomScoreAdj: -998,
    logs: { maxSize: config.containerLogMaxSize, maxFiles: config.containerLogMaxFiles },
  };
}
