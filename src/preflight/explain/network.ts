import type { Explanations } from "./explanation.ts";

/** Names, addresses, interfaces and ports. */
export const network: Explanations = {
  NodeName: {
    checked:
      "The node's name (nodeName, else the host name in lower case): a DNS name of at most 63 characters, and not localhost.",
    why: "It is the name of the Node object, stands in certificates, and no other node may have it.",
    ways: [["Set --node-name NAME."], ["Rename the host: hostnamectl set-hostname NAME."]],
    init: "Capital letters are made small.",
  },
  HostnameUnresolved: {
    checked:
      "Whether the host's own name is in /etc/hosts, or nsswitch.conf has myhostname. A name server is never asked; when there is one, nothing is said.",
    why: "sudo, logging and many programs ask for the host's own name, and wait for seconds when nobody answers.",
    ways: [
      ['Add the line "ADDRESS NAME" with the node\'s address to /etc/hosts.'],
      ["Install libnss-myhostname and add myhostname to the line hosts: of /etc/nsswitch.conf."],
    ],
  },
  NodeIpMissing: {
    checked: "That the node's address is on an interface of this host.",
    why: "etcd, the API server and the kubelet listen there, and everybody reaches them there.",
    ways: [
      ["Set --node-ip to one of the addresses that the finding lists."],
      [
        "Give the address to an interface: ip address add ADDRESS/PREFIX dev NAME, and in the file of the network as well.",
      ],
    ],
  },
  MasterIpConflict: {
    checked: "That masterIp, when it is an address, is not in the block of docker0, cni0 or lo of this host.",
    why: "What is sent to it would end on this host, at no master.",
    ways: [
      ["Set --master-ip to an address that all nodes share a network with."],
      ["Leave it out: it is the node's address then."],
    ],
  },
  VipInterfaceMissing: {
    checked: "On a master with masterVip: that the interface of masterVipInterface is on this host.",
    why: "Keepalived puts the address of the masters on that interface and does not start without it.",
    ways: [
      ["Set --master-vip-interface to the interface that is in the network of the masters."],
      ["Leave out --master-vip and --master-vip-interface: nodes find the masters without it."],
    ],
  },
  VipInUse: {
    checked:
      "On a first master: that no interface has masterVip, and that nobody accepts or refuses a connection to its port of the API.",
    why: "Two hosts with one address take its packets from each other, and clients reach now the one, now the other.",
    ways: [
      [
        "Set --master-vip to an address of the masters' network that nobody has and no DHCP server gives away.",
      ],
      ["Take the address from the host that has it: ip address del ADDRESS/PREFIX dev NAME."],
    ],
  },
  CidrOverlap: {
    checked:
      "containersCidr and servicesCidr against the routes and addresses of this host, bridges for containers left out.",
    why: "Packets for hosts of that network would go to pods or services, and this host would be cut off from it.",
    ways: [
      [
        "Set --containers-cidr or --services-cidr to a private block that the site uses nowhere; the finding names one that is free here.",
      ],
    ],
  },
  BridgeConflict: {
    checked:
      "That cni0 is absent or has the block of this node's pods, and that docker0 shares no address with pods and services.",
    why: "The bridge plugin changes no bridge that has another address: no pod would start. Two bridges with one block answer for each other.",
    ways: [
      ["For cni0: make sure that the other plugin is gone, then run ip link delete cni0."],
      ["For docker0: set --containers-cidr or --services-cidr to another block."],
      [
        'For docker0: set "bip" in /etc/docker/daemon.json to another block.',
        "Run systemctl restart docker.",
      ],
    ],
  },
  NetworkLeftovers: {
    checked: "Names of interfaces: flannel, Calico, Weave, Cilium, kube-router, Antrea, OVN, IPVS.",
    why: "Their routes and rules stay in the kernel and go on working, against those of this node.",
    ways: [
      ["Remove that plugin first, then its interfaces with ip link delete NAME."],
      ["Boot again: they are made by programs, and gone when those are."],
    ],
  },
  MtuSmall: {
    checked:
      "The MTU of the interface with the node's address: 1280 or more, and not less than the configuration's mtu.",
    why: "Packets that do not fit are lost without a word where somebody filters ICMP: small requests work, large answers hang.",
    ways: [
      ["Set --mtu to at most the interface's."],
      ["Raise the interface's: ip link set NAME mtu 1500, and in the file of the network as well."],
    ],
  },
  PortInUse: {
    checked:
      "Who listens on the node's ports: 6442, 6443, 6444, 2379, 2380, 2381, 10248, 10249, 10250, 10256, 10257, 10259 and UDP 8472, or those that the configuration has instead. A worker needs fewer.",
    why: "Two programs cannot listen on one port: the part of Kubernetes that needs it does not start.",
    ways: [
      [
        "Stop the process with the command that the finding names; a unit or a container is stopped as such, so that it does not come back.",
      ],
      [
        "Move the node's port where there is a flag: --api-port, --join-port, --balancer-port, --etcd-client-port, --etcd-peer-port.",
      ],
      [
        "UDP 8472 is for tunnels between nodes of different networks: where all are on one, set --pod-network-backend host-gw.",
      ],
    ],
  },
  ProxyForAll: {
    checked:
      "DefaultEnvironment of /etc/systemd/system.conf and its drop-ins: proxies, and whether no_proxy has the node's address, containersCidr and servicesCidr.",
    why: "The kubelet and others take the proxy from there, and their requests to pods and services come nowhere.",
    ways: [
      [
        "Write [Manager] and DefaultEnvironment= with NO_PROXY and no_proxy, as the finding has it, to /etc/systemd/system.conf.d/90-no-proxy.conf.",
        "Run systemctl daemon-reexec.",
      ],
      ["Take the proxy out of DefaultEnvironment, and give it to the units that need it."],
    ],
  },
};
