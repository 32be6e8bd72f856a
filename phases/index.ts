import type { Bundle } from "../src/bundle/bundle.ts";
import type { Phase } from "../src/runner/phase.ts";
import { genCerts } from "./020-gen-certs.ts";
import { prepareKubeConfigs } from "./030-prepare-kube-configs.ts";
import { dockerConfigure } from "./040-docker-configure.ts";
import { dockerStart } from "./045-docker-start.ts";
import { loadImages } from "./048-load-images.ts";
import { etcdConfigure } from "./050-etcd-configure.ts";
import { etcdRun } from "./055-etcd-run.ts";
import { loadBalancer } from "./057-load-balancer.ts";
import { networkConfigure } from "./060-network-configure.ts";
import { cniConfigure } from "./065-cni-configure.ts";
import { miscScripts } from "./075-misc-scripts.ts";
import { kubeletConfigureStart } from "./080-kubelet-configure-start.ts";
import { kubeProxyStart } from "./090-kube-proxy-start.ts";
import { waitForK8sServices } from "./100-wait-for-k8s-services.ts";
import { labelTaintNode } from "./110-label-taint-node.ts";
import { networkPluginStart } from "./115-network-plugin.ts";
import { dynamicKubeletConfig } from "./120-dynamic-kubelet-config.ts";
import { uncordonNode } from "./130-uncordon-node.ts";
import { validateDns } from "./140-validate-dns.ts";
import { keepalivedStart } from "./180-configure-start-keepalived.ts";
import { drainPods } from "./210-drain-pods.ts";

/** Every phase, in the order in which they start; they stop in reverse. */
export const allPhases: readonly Phase[] = [
  genCerts,
  prepareKubeConfigs,
  dockerConfigure,
  dockerStart,
  loadImages,
  etcdConfigure,
  etcdRun,
  loadBalancer,
  networkConfigure,
  cniConfigure,
  miscScripts,
  kubeletConfigureStart,
  kubeProxyStart,
  waitForK8sServices,
  labelTaintNode,
  networkPluginStart,
  dynamicKubeletConfig,
  uncordonNode,
  validateDns,
  keepalivedStart,
  drainPods,
];

/** The phases of a node's role, in order; without those that the bundle has no image for. */
export function phasesOf(role: "master" | "worker", bundle: Bundle): readonly Phase[] {
  const possible = bundle.findImage("coredns")
    ? allPhases
    : allPhases.filter((phase) => phase !== validateDns);
  return possible.filter((phase) => phase.roles.includes(role));
}
