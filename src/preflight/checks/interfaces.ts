import { contains, overlaps, parseAddress, parseCidr } from "../../config/net.ts";
import { networkPlugin } from "../../network/plugins.ts";
import { paths } from "../../paths.ts";
import type { Check, CheckInput } from "../check.ts";
import { setting } from "../check.ts";

/** Bridges for containers, whose networks are local to this host. */
export const CONTAINER_BRIDGES: readonly string[] = ["docker0", "cni0"];

/** Interfaces of other network plugins, by the beginning of their names. */
const PLUGIN_INTERFACES =
  /^(flannel|cali|vxlan\.calico|weave|cilium|kube-ipvs0|kube-bridge|antrea|ovn|nodelocaldns)/;

/** What every host on a network must be able to take in one piece (RFC 8200, section 5); less is a tunnel set up wrongly. */
const LEAST_MTU = 1280;

/** The plugin does not change a bridge that has another address, and no pod starts. */
export const bridgeConflict: Check = {
  code: "BridgeConflict",
  level: "error",
  title: "bridges for containers are where the node wants them",
  run: (input) => [...cniBridge(input), ...dockerBridge(input)],
};

/** A bridge that nobody is connected to has no address that the system lists, but it has its route. */
function cniBridge({ facts, config, node, installed }: CheckInput) {
  if (installed || !networkPlugin(config).ownBridge) return [];
  const found = facts.networks.filter(
    ({ interface: name, cidr }) => name === "cni0" && !cidr.includes(":") && cidr !== node.podCidr,
  );
  return found.map(({ cidr }) => ({
    message: `The bridge cni0 is there with the block ${cidr}; expected none, or ${node.podCidr} of this node's pods`,
    hint: "it is another network plugin's: remove it with ip link delete cni0",
  }));
}

function dockerBridge({ facts, config }: CheckInput) {
  const found = facts.networks.find(({ interface: name }) => name === "docker0");
  const block = found && parseCidr(found.cidr);
  if (!found || !block) return [];
  return (["containersCidr", "servicesCidr"] as const).flatMap((key) => {
    const other = parseCidr(config[key]);
    if (!other || !overlaps(block, other)) return [];
    return [
      {
        message: `Docker's bridge docker0 has the block ${found.cidr}, which overlaps ${key} ${config[key]}; expected no common address`,
        hint: `${setting(key)} to another block, or set "bip" in ${paths.daemonJson} and run systemctl restart docker`,
      },
    ];
  });
}

/** Routes and rules of a plugin that is gone go on working against ours. */
export const networkLeftovers: Check = {
  code: "NetworkLeftovers",
  level: "warning",
  title: "there are no interfaces of other network plugins",
  run({ facts, config, installed }) {
    if (installed || config.networkPlugin === "noop") return [];
    const found = facts.interfaces.filter((name) => PLUGIN_INTERFACES.test(name));
    if (found.length === 0) return [];
    return [
      {
        message: `There are interfaces of another network plugin: ${found.join(", ")}; expected none`,
        hint: `remove them (${found.map((name) => `ip link delete ${name}`).join("; ")}), or boot again after that plugin is gone`,
      },
    ];
  },
};

/** Packets that do not fit are lost without a word where somebody filters ICMP. */
export const mtuSmall: Check = {
  code: "MtuSmall",
  level: "warning",
  title: "packets of a usual size fit through the node's interface",
  run({ facts, node, config }) {
    const name = facts.addresses.find(({ address }) => address === node.ip)?.interface;
    if (facts.mtu === undefined || !name) return [];
    if (config.mtu !== undefined && config.mtu > facts.mtu) {
      return [
        {
          message: `The pod network has an MTU of ${config.mtu}, and ${name} only ${facts.mtu}; expected at most that`,
          hint: `${setting("mtu")} to ${facts.mtu} or less, or raise it: ip link set ${name} mtu ${config.mtu}`,
        },
      ];
    }
    if (facts.mtu >= LEAST_MTU) return [];
    return [
      {
        message: `The interface ${name} has an MTU of ${facts.mtu}; expected at least ${LEAST_MTU}`,
        hint: `raise it (ip link set ${name} mtu 1500) and in the file of its network as well`,
      },
    ];
  },
};

/** What is sent to the masters' address must not end on this host. */
export const masterIpConflict: Check = {
  code: "MasterIpConflict",
  level: "error",
  title: "the masters' address is not one of a bridge of this host",
  run({ facts, config, node }) {
    const address = parseAddress(config.masterIp ?? "");
    if (!address || config.masterIp === node.ip) return [];
    const bridge = facts.networks.find(({ interface: name, cidr }) => {
      const block = parseCidr(cidr);
      return (name === "lo" || CONTAINER_BRIDGES.includes(name)) && block && contains(block, address);
    });
    if (!bridge) return [];
    return [
      {
        message: `The masters' address ${config.masterIp} is in ${bridge.cidr} of ${bridge.interface} on this host; expected an address of a network that the nodes share`,
        hint: `${setting("masterIp")} to one, for example ${node.ip}`,
      },
    ];
  },
};
