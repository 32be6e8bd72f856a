import type { Ctx } from "../ctx.ts";
import type { ContainerSpec } from "../docker/docker.ts";
import { sha256 } from "../host/hash.ts";
import { paths } from "../paths.ts";

/** Name of the container. */
export const FLANNEL = "flannel";

/** Where flanneld keeps what it knows of its own block. */
export const FLANNEL_DIR = "/run/flannel";

/** What flanneld found out: its network, the node's block and the MTU. */
export const SUBNET_ENV = `${FLANNEL_DIR}/subnet.env`;

/** The network configuration that flanneld reads when it starts. */
export const FLANNEL_CONF = `${paths.configs}/flannel-net-conf.json`;

/** Label with the digest of the network configuration: another one, and what the old one made must go. */
export const BACKEND = "io.pf9.nodelet.flannel-network";

/** Label by which changed input makes a new container: what is mounted as a file is not seen when it is replaced. */
const INPUTS = "io.pf9.nodelet.inputs";

/**
 * The network configuration of flanneld. `auto` is VXLAN with plain routes to nodes of the same segment.
 *
 * @see https://github.com/flannel-io/flannel/blob/v0.15.1/Documentation/backends.md
 */
export function netConf({
  containersCidr,
  podNetworkBackend,
}: Pick<Ctx["config"], "containersCidr" | "podNetworkBackend">): string {
  const backend =
    podNetworkBackend === "auto" ? { Type: "vxlan", DirectRouting: true } : { Type: podNetworkBackend };
  return `${JSON.stringify({ Network: containersCidr, Backend: backend })}\n`;
}

/**
 * The container `flannel` of a node. It acts as the node itself, which may read all nodes and write its own annotations; the
 * firewall is not its business.
 */
export function flannelContainer(
  { config, node, bundle, paths: { kubeconfigs } }: Pick<Ctx, "config" | "node" | "bundle" | "paths">,
  { inputs }: { inputs: string },
): ContainerSpec {
  const kubeconfig = `${kubeconfigs}/kubelet.yaml`;
  const flags = {
    "kube-subnet-mgr": "true",
    "kubeconfig-file": kubeconfig,
    "net-config-path": FLANNEL_CONF,
    "subnet-file": SUBNET_ENV,
    iface: node.ip,
    "ip-masq": "false",
    "iptables-forward-rules": "false",
    v: config.debug ? "8" : "1",
  };
  return {
    name: FLANNEL,
    imageId: bundle.image(FLANNEL).imageId,
    command: ["flanneld", ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    env: { NODE_NAME: node.name },
    mounts: [
      { source: kubeconfig, target: kubeconfig, readOnly: true },
      { source: FLANNEL_CONF, target: FLANNEL_CONF, readOnly: true },
      { source: FLANNEL_DIR, target: FLANNEL_DIR, readOnly: false },
    ],
    labels: { [INPUTS]: inputs, [BACKEND]: sha256(netConf(config)).slice(0, 32) },
    capabilities: ["NET_ADMIN"],
    readOnlyRoot: true,
    oomScoreAdj: -998,
    logs: { maxSize: config.containerLogMaxSize, maxFiles: config.containerLogMaxFiles },
  };
}
