import { field, optional } from "../field.ts";
import {
  cidr,
  dnsName,
  hostAddress,
  hostOrAddress,
  integer,
  list,
  matching,
  oneOf,
  subjectName,
} from "../grammar.ts";

/** Addresses, names and ports. */
export const network = {
  masterIp: optional(hostOrAddress(), {
    shared: true,
    alias: "MASTER_IP",
    flag: true,
    about: "Address or name of the API for the other nodes; the node's address when not given",
  }),
  externalDnsName: optional(dnsName("k8s.example.com"), {
    shared: true,
    alias: "EXTERNAL_DNS_NAME",
    flag: true,
    about: "Name of the API for users",
  }),
  extraSans: field(list(subjectName()), {
    shared: true,
    default: [],
    flag: true,
    about: "Further names and addresses in the certificate of the API",
  }),
  apiPort: field(integer(1, 65535), {
    shared: true,
    alias: "K8S_API_PORT",
    default: 6443,
    flag: true,
    about: "Port of the API",
  }),
  // HAProxy runs without rights, so it cannot have a port of the system.
  balancerPort: field(integer(1024, 65535), {
    default: 6444,
    flag: true,
    shared: true,
    about: "Port on loopback where every node finds the API, whichever master is well",
  }),
  joinPort: field(integer(1, 65535), {
    default: 6442,
    flag: true,
    shared: true,
    about: "Port of the masters where nodes join",
  }),
  masterVip: optional(hostAddress(), {
    flag: true,
    shared: true,
    about: "Address that the masters hold in common, kept by keepalived; needs masterVipInterface",
  }),
  masterVipInterface: optional(
    matching(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}$/, {
      what: "an interface",
      expected: "the name of an interface, for example eth0",
    }),
    {
      alias: "MASTER_VIP_IFACE",
      flag: true,
      shared: true,
      about: "Interface of the masters for masterVip; a joining master may name another one",
    },
  ),
  masterVipVrouterId: optional(integer(1, 255), {
    alias: "MASTER_VIP_VROUTER_ID",
    flag: true,
    shared: true,
    about: "VRRP router id of masterVip, unique in its network; made from the cluster's id when not given",
  }),
  masterVipPriority: optional(integer(1, 254), {
    alias: "MASTER_VIP_PRIORITY",
    flag: true,
    about: "VRRP priority of this master; made from its address when not given",
  }),
  containersCidr: field(cidr({ example: "10.20.0.0/16", min: 8, max: 28 }), {
    shared: true,
    alias: "CONTAINERS_CIDR",
    default: "10.20.0.0/16",
    flag: true,
    about: "Addresses of the pods of all nodes",
  }),
  // The API server takes at most 2^20 services; below /28 the tenth address, which is the DNS service, does not exist.
  servicesCidr: field(cidr({ example: "10.21.0.0/16", min: 12, max: 28 }), {
    shared: true,
    alias: "SERVICES_CIDR",
    default: "10.21.0.0/16",
    flag: true,
    about: "Addresses of the services",
  }),
  nodeCidrMask: field(integer(16, 30), {
    shared: true,
    default: 24,
    about: "Length of the block of containersCidr that each node gets",
  }),
  podCidr: optional(cidr({ example: "10.20.0.0/24", min: 8, max: 30 }), {
    flag: true,
    about: "Addresses of the pods of this node; the first block of containersCidr when not given",
  }),
  networkPlugin: field(oneOf(["bridge", "flannel", "calico", "canal", "weave", "noop"]), {
    shared: true,
    alias: "PF9_NETWORK_PLUGIN",
    default: "bridge",
    flag: true,
    about:
      "Pod network: bridge, flannel, a manifest of the bundle (calico, canal, weave), or noop: one of your own",
  }),
  podNetworkBackend: field(oneOf(["auto", "host-gw", "vxlan"]), {
    shared: true,
    default: "auto",
    flag: true,
    about:
      "Way between nodes: routes (host-gw), tunnels (vxlan), or routes where they lead (auto); bridge and flannel",
  }),
  mtu: optional(integer(576, 9216), {
    shared: true,
    alias: "MTU_SIZE",
    flag: true,
    about: "MTU of the pod network; the one of the host's interface when not given",
  }),
  clusterDomain: field(dnsName("cluster.local"), {
    shared: true,
    alias: "DNS_DOMAIN",
    default: "cluster.local",
    flag: true,
    about: "DNS domain of the services",
  }),
  kubeProxyMode: field(oneOf(["iptables", "ipvs"]), {
    shared: true,
    alias: "KUBE_PROXY_MODE",
    default: "iptables",
    about: "How kube-proxy forwards: iptables, or ipvs where the kernel has it",
  }),
};
