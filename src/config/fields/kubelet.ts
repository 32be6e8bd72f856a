import { field, optional } from "../field.ts";
import { integer, oneOf } from "../grammar.ts";
import { base64, cpuList } from "../grammar-host.ts";
import { adaptFlags, adaptTaints, componentFlags, labels, taints } from "../grammar-kube.ts";

/** The kubelet and how the node registers. */
export const kubelet = {
  maxPods: field(integer(1, 1000), {
    shared: true,
    default: 200,
    flag: true,
    about: "Pods that the node may run",
  }),
  podPidsLimit: optional(integer(100, 4194304), {
    shared: true,
    about: "Processes that one pod may have; no limit when not given",
  }),
  cpuManagerPolicy: field(oneOf(["none", "static"]), {
    shared: true,
    alias: "CPU_MANAGER_POLICY",
    default: "none",
    about: "none, or static to give whole processors to guaranteed pods",
  }),
  topologyManagerPolicy: field(oneOf(["none", "best-effort", "restricted", "single-numa-node"]), {
    shared: true,
    alias: "TOPOLOGY_MANAGER_POLICY",
    default: "none",
    about: "How resources of a pod are aligned to NUMA nodes",
  }),
  reservedCpus: optional(cpuList(), {
    shared: true,
    alias: "RESERVED_CPUS",
    about: "Processors kept from pods, for example 0-1; needed with the static policy",
  }),
  nodeLabels: field(labels(), {
    default: {},
    flag: true,
    about: "Labels of the node",
  }),
  nodeTaints: field(taints(), {
    default: [],
    flag: true,
    adapt: adaptTaints,
    about: "Taints of the node, as key, value and effect or as key=value:Effect",
  }),
  kubeletCloudConfig: optional(base64(), {
    alias: "KUBELET_CLOUD_CONFIG",
    about: "Cloud configuration file, base64",
  }),
  kubeletFlags: field(componentFlags(), {
    default: [],
    adapt: adaptFlags,
    about: "Further flags of the kubelet, each --name=value",
  }),
};
