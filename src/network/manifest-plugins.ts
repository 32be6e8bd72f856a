import { manifestPlugin } from "./manifest-plugin.ts";

/**
 * Calico: routes by BIRD, in IPIP or VXLAN where they must pass other networks.
 *
 * @see https://docs.tigera.io/calico/latest/reference/configure-cni-plugins
 */
export const calico = manifestPlugin({
  name: "calico",
  cniFiles: ["10-calico.conflist", "calico-kubeconfig"],
  cniPrograms: ["calico", "calico-ipam", "install"],
  interfaces: ["tunl0", "vxlan.calico"],
  chains: ["cali-"],
  trees: ["/var/lib/calico", "/run/calico", "/var/log/calico"],
});

/** Canal: Calico's policies over flannel's VXLAN. */
export const canal = manifestPlugin({
  name: "canal",
  cniFiles: ["10-canal.conflist", "calico-kubeconfig"],
  cniPrograms: ["calico", "calico-ipam", "flannel", "install"],
  interfaces: ["flannel.1", "tunl0"],
  chains: ["cali-", "FLANNEL-"],
  trees: ["/var/lib/calico", "/run/calico", "/var/log/calico", "/run/flannel"],
});

/** Weave Net: a mesh of tunnels of its own. */
export const weave = manifestPlugin({
  name: "weave",
  cniFiles: ["10-weave.conflist"],
  cniPrograms: ["weave-net", "weave-ipam", "weave-plugin-latest"],
  interfaces: ["weave", "datapath", "vethwe-bridge", "vxlan-6784", "dummy0"],
  chains: ["WEAVE"],
  trees: ["/var/lib/weave", "/run/weave"],
});
