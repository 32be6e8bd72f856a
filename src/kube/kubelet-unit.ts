import type { Config } from "../config/config.ts";
import type { NodeFacts } from "../node-facts.ts";
import { engineUnit } from "../docker/engine-unit.ts";
import { BASE_ENV } from "../host/run.ts";
import { paths } from "../paths.ts";
import { HOST_RESOLVER } from "./resolver.ts";
import type { KubeVersionFacts } from "./versions.ts";

/** What the kubelet's unit depends on. */
export interface KubeletUnit {
  config: Config;
  node: NodeFacts;
  facts: KubeVersionFacts;
  pauseImage: string;
  /** File with the name servers for pods that want the host's; empty for none. */
  resolver: string;
  /** Digest of everything else that the kubelet reads at its start. */
  inputs: string;
}

/** The text of `pf9-kubelet.service`. */
export function renderKubeletUnit(unit: KubeletUnit): string {
  const flags = kubeletFlags(unit)
    .map((flag) => `  ${quote(flag)}`)
    .join(" \\\n");
  return `[Unit]
Description=Kubernetes kubelet, managed by nodelet
After=${engineUnit(unit.node)} network-online.target
Wants=network-online.target
Requires=${engineUnit(unit.node)}
# However often it fails, it is tried again.
StartLimitIntervalSec=0

[Service]
Environment=NODELET_INPUTS=${unit.inputs}
Environment=PATH=${BASE_ENV.PATH}
WorkingDirectory=${paths.kubeletDir}
ExecStart=${paths.binDir}/kubelet \\
${flags}
Restart=always
# A kubelet that takes a new dynamic configuration ends, to be started anew.
RestartSec=200ms
# Word for the daemon, which is not there to hear it every time.
ExecStopPost=-/usr/bin/touch ${paths.kubeletEnded}
KillMode=process
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

function kubeletFlags({ config, node, facts, pauseImage, resolver }: KubeletUnit): string[] {
  return [
    `--config=${paths.configs}/kubelet.yaml`,
    `--kubeconfig=${paths.kubeconfigs}/kubelet.yaml`,
    `--hostname-override=${node.name}`,
    `--node-ip=${node.ip}`,
    `--root-dir=${paths.kubeletDir}`,
    // Not in its configuration, which all nodes share.
    ...(resolver === HOST_RESOLVER ? [] : [`--resolv-conf=${resolver}`]),
    ...nodeLabels(config),
    ...nodeTaints(config),
    ...(facts.dockershim
      ? [
          "--container-runtime=docker",
          "--network-plugin=cni",
          `--cni-conf-dir=${paths.cniConfDir}`,
          `--cni-bin-dir=${paths.cniBinDir}`,
          `--pod-infra-container-image=${pauseImage}`,
        ]
      : []),
    ...(facts.dynamicKubeletConfig ? [`--dynamic-config-dir=${paths.dynamicKubeletConfig}`] : []),
    `--v=${config.debug ? 8 : 2}`,
    ...config.kubeletFlags,
  ];
}

function nodeLabels(config: Config): string[] {
  // A kubelet may not give itself labels of these domains (NodeRestriction); 110-label-taint-node sets all others too.
  const own = Object.entries(config.nodeLabels).filter(
    ([name]) => !/(^|\.)(kubernetes|k8s)\.io\//.test(name),
  );
  return own.length === 0
    ? []
    : [`--node-labels=${own.map(([name, value]) => `${name}=${value}`).join(",")}`];
}

function nodeTaints(config: Config): string[] {
  if (config.nodeTaints.length === 0) return [];
  const taints = config.nodeTaints.map((taint) => `${taint.key}=${taint.value ?? ""}:${taint.effect}`);
  return [`--register-with-taints=${taints.join(",")}`];
}

/** Quotes a word for ExecStart=: systemd knows `%` and `$`, and splits at blanks. */
function quote(word: string): string {
  const escaped = word
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$");
  return /[\s'"]/.test(word) ? `"${escaped}"` : escaped;
}
