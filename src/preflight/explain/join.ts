import type { Explanations } from "./explanation.ts";

const OPEN_BETWEEN =
  "Open between all nodes: TCP 10250 on each; on masters TCP 6443, 6442, 2379 and 2380 as well, or what apiPort, joinPort, etcdClientPort and etcdPeerPort say.";

/** What a host that joins learns from the masters. */
export const join: Explanations = {
  JoinVersion: {
    checked: "The version of this program against that of the masters.",
    why: "Nodes of one cluster are made by one version; what another one writes was never tried with it.",
    ways: [["Copy the program of a master: /opt/pf9/nodelet/nodeletd, or the file that it was made from."]],
  },
  JoinBundle: {
    checked: "What the bundle at hand is made of against what the masters are made from.",
    why: "A node with other images or programs runs another Kubernetes than its cluster.",
    ways: [
      ["Use the appliance that the masters were made from."],
      ["Use the program without a bundle: it takes what it lacks from the masters."],
    ],
  },
  ClockSkew: {
    checked: "This host's clock against the master's; more than 2 seconds are told.",
    why: "Leases, certificates and logs of the nodes are compared by their clocks; etcd warns from one second on.",
    ways: [["Keep the clocks together: chrony or systemd-timesyncd, from a server of your own network."]],
  },
  ClocksDiffer: {
    checked: "That this host's clock is within 5 minutes of the master's.",
    why: "Certificates are not valid yet, or not any more; tokens and leases run out at once.",
    ways: [
      [
        "Set the clock: timedatectl set-time, or chronyc makestep; write it to the hardware: hwclock --systohc.",
      ],
    ],
  },
  AddressSeen: {
    checked: "The address that a master sees this host at, against the one that it will have as a node.",
    why: "The masters and the other nodes reach it at its node address. Where addresses are translated in between, or packets take another network card, they may not.",
    ways: [
      ["Choose the right address: --node-ip ADDRESS."],
      ["If the node address is reached as well, nothing need be done."],
    ],
  },
  PortsClosed: {
    checked:
      "TCP connections from a master to this host: to the kubelet's port, and on a host that will be a master to those of the API, of etcd and of joining. This program listened on them for the moment.",
    why: "Logs, exec and metrics go through the kubelet's port; masters do not find one another without the others.",
    ways: [
      [OPEN_BETWEEN],
      ["See what filters here: nft list ruleset, iptables-save; and on the way in between."],
    ],
  },
  MasterAway: {
    checked: "TCP connections from this host to every master; at least one answers on all its ports.",
    why: "A node goes on with the masters that it reaches; if they fail, it has none.",
    ways: [[OPEN_BETWEEN], ["If that master is gone for good: nodelet node remove NAME on another one."]],
  },
  MastersClosed: {
    checked: "TCP connections from this host to the ports of the masters; no master answers on all of them.",
    why: "Without the API there is no node, and without the ports of etcd no further master.",
    ways: [[OPEN_BETWEEN], ["Look at the master: nodelet status."]],
  },
};
