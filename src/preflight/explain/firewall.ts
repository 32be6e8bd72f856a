import type { Explanations } from "./explanation.ts";

/** Everything that changes packets or interfaces beside Kubernetes. */
export const firewall: Explanations = {
  FirewalldActive: {
    checked: "Whether firewalld.service is active.",
    why: "It refuses what it does not know, and writes its rules anew whenever it is reloaded.",
    ways: [
      [
        "Open it for the node: firewall-cmd --permanent --add-port=6443/tcp --add-port=10250/tcp.",
        "Trust the pods: firewall-cmd --permanent --zone=trusted --add-source=CONTAINERS_CIDR.",
        "Run firewall-cmd --reload.",
      ],
      ["Turn it off: systemctl disable --now firewalld."],
    ],
  },
  FirewallRules: {
    checked:
      "What iptables -S says: whether a new TCP connection to the API server's port and to 10250 is let in. A rule with further conditions, a source or an interface, counts as letting in. Tables made with nft alone have a check of their own.",
    why: "Pods reach the API through this host's INPUT chain as well: without it there is no DNS in the cluster, and validation of DNS fails at the end of init. Other nodes and kubectl elsewhere are kept out.",
    ways: [
      ["With ufw: ufw allow 6443/tcp, ufw allow 10250/tcp and ufw allow from CONTAINERS_CIDR."],
      [
        "iptables -I INPUT -p tcp -m multiport --dports 6443,10250 -j ACCEPT and iptables -I INPUT -s CONTAINERS_CIDR -j ACCEPT.",
        "Keep them where the host keeps its rules, for example netfilter-persistent save.",
      ],
    ],
    init: "Rules of FORWARD are no problem: the bridge plugin and kube-proxy put theirs in front of it.",
  },
  NftRules: {
    checked:
      "What nft -j list ruleset says, where that program is there: whether each chain at the hook input lets in a new TCP connection to the API server's port and to 10250, and each at the hook forward lets anything through. A rule with further conditions counts as letting through.",
    why: "A packet must pass every chain at its hook: what Kubernetes accepts in tables of iptables is dropped in another table all the same. Without the API there is no DNS in the cluster; without forwarding, pods reach no service.",
    ways: [
      [
        "nft insert rule FAMILY TABLE CHAIN tcp dport 6443 accept, and 10250, for the chain at the hook input.",
        "nft insert rule FAMILY TABLE CHAIN ip saddr CONTAINERS_CIDR accept, for both hooks; ip daddr too at the hook forward.",
        "Keep them where the host keeps its rules, for example /etc/nftables.conf.",
      ],
    ],
    init: "The tables that iptables makes with nft get the rules of the bridge plugin and of kube-proxy.",
  },
  EndpointAgent: {
    checked:
      "Active units of agents that are known to change the packet filter or to end containers, such as CrowdStrike Falcon or Illumio VEN.",
    why: "They flush chains that Kubernetes made. Services fail until kube-proxy's next turn, and what the agent's policy refuses fails for good.",
    ways: [
      [
        "Have its policy leave alone the chains KUBE-*, CNI-*, PF9-* and DOCKER*, the interfaces cni0, pf9-vxlan and veth*, pods' and services' blocks, and programs in /opt/pf9.",
      ],
      ["Go on, and watch iptables -S for chains that go missing."],
    ],
  },
  NetworkManager: {
    checked:
      "When NetworkManager is active: whether unmanaged-devices has cni0 and veth*, in its configuration and all drop-ins.",
    why: "It may take addresses and routes from interfaces of pods, or call the host offline because of them.",
    ways: [
      [
        "printf '[keyfile]\\nunmanaged-devices=interface-name:cni0;interface-name:veth*\\n' >/etc/NetworkManager/conf.d/90-nodelet.conf",
        "Run systemctl reload NetworkManager.",
      ],
    ],
  },
  NmCloudSetup: {
    checked: "Whether nm-cloud-setup.timer or nm-cloud-setup.service is active.",
    why: "It writes routing rules for the cloud's addresses every few minutes, and packets of pods leave by the wrong interface.",
    ways: [
      [
        "systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service.",
        "Boot again, so that its rules are gone.",
      ],
    ],
  },
};
