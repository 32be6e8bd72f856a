import { type Cidr, contains, formatCidr, overlaps, parseCidr } from "../../config/net.ts";
import type { Check, CheckInput, Problem } from "../check.ts";
import { setting } from "../check.ts";
import { isOwnListener } from "../ours.ts";
import type { Route } from "../../host/routes.ts";
import { CONTAINER_BRIDGES } from "./interfaces.ts";
import { collides, portsOf, stopCommand } from "../ports.ts";

/** Names that a Node may have. */
const NODE_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** What holds a port is named, with the command that ends it. */
export const portInUse: Check = {
  code: "PortInUse",
  level: "error",
  title: "the ports of the node are free",
  run: (input) =>
    portsOf(input).flatMap((port) => {
      const holders = input.facts.listeners.filter(
        (one) => collides(port, one) && !isOwnListener(one, input),
      );
      // A process that listens for IPv4 and for IPv6 is one holder.
      const each = [...new Map(holders.map((one) => [one.pid, one])).values()];
      return each.map((holder) => {
        const command = stopCommand(holder);
        const stop = command ? `stop it (${command})` : "stop it";
        const who =
          holder.pid === undefined
            ? "a process that cannot be seen from here"
            : `pid ${holder.pid} (${holder.process})`;
        return {
          message: `${port.protocol === "udp" ? "UDP port" : "Port"} ${port.port} (${port.use}) is held by ${who}`,
          hint: [stop, port.key ? setting(port.key) : port.without].filter(Boolean).join(", or "),
        };
      });
    }),
};

/** Pods and services with addresses of a network that the host is on would cut it off. */
export const cidrOverlap: Check = {
  code: "CidrOverlap",
  level: "error",
  title: "the blocks of pods and services are free",
  run(input) {
    const { config } = input;
    const networks = hostNetworks(input);
    return [
      ...overlapsOf(config.containersCidr, { key: "containersCidr", what: "pods", networks, input }),
      ...overlapsOf(config.servicesCidr, { key: "servicesCidr", what: "services", networks, input }),
    ];
  },
};

interface BlockUse {
  key: "containersCidr" | "servicesCidr";
  what: string;
  networks: readonly Route[];
  input: CheckInput;
}

function overlapsOf(cidr: string, { key, what, networks, input }: BlockUse): Problem[] {
  const block = parseCidr(cidr);
  if (!block) return [];
  const hit = networks.filter((network) => meets(block, network.cidr));
  if (hit.length === 0) return [];
  const names = hit.map((network) => `${network.cidr} (${network.interface})`).join(", ");
  const taken = [
    ...networks.map((network) => network.cidr),
    input.config.containersCidr,
    input.config.servicesCidr,
  ];
  const free = freeBlock(block.prefix, taken);
  return [
    {
      message: `The block of ${what} ${cidr} overlaps a network of this host: ${names}; expected a block of its own`,
      hint: `${setting(key)} to ${free ? `a free block, for example ${free}` : "a block that no network of yours uses"}`,
    },
  ];
}

/** Networks of others; not the bridge of our pods, nor our routes to services and to pods of other nodes. */
function hostNetworks({ facts, installed, node, config }: CheckInput): Route[] {
  const pods = parseCidr(config.containersCidr);
  const isRoute = ({ interface: name, cidr }: Route) =>
    name === node.interface && cidr === config.servicesCidr;
  return facts.networks.filter((network) => {
    const block = parseCidr(network.cidr);
    if (!block || network.interface === "lo" || CONTAINER_BRIDGES.includes(network.interface)) return false;
    return !(installed && ((pods && contains(pods, block)) || isRoute(network)));
  });
}

function meets(block: Cidr, other: string): boolean {
  const parsed = parseCidr(other);
  return parsed !== undefined && overlaps(block, parsed);
}

/** A private block of the same length that touches none of the taken ones. */
function freeBlock(prefix: number, taken: readonly string[]): string | undefined {
  if (prefix < 16) return undefined;
  const candidates = Array.from({ length: 200 }, (_, at) => parseCidr(`10.${at + 20}.0.0/${prefix}`));
  const free = candidates.find((block) => block && taken.every((other) => !meets(block, other)));
  return free && formatCidr(free);
}

/** Everything listens on, and is reached at, the node's address. */
export const nodeIpMissing: Check = {
  code: "NodeIpMissing",
  level: "error",
  title: "the node's address is one of the host",
  run({ facts, node }) {
    if (facts.addresses.some(({ address }) => address === node.ip)) return [];
    const own = facts.addresses.filter(({ internal }) => !internal);
    const list = own.map(({ address, interface: name }) => `${address} (${name})`).join(", ") || "none";
    return [
      {
        message: `The node's address ${node.ip} is not on this host; expected one of its addresses: ${list}`,
        hint: `${setting("nodeIp")} to one of them`,
      },
    ];
  },
};

/** The host's name is taken as it is when the configuration gives none, so it is judged here. */
export const nodeName: Check = {
  code: "NodeName",
  level: "error",
  title: "the node's name can be one",
  run({ node }) {
    const hint = `${setting("nodeName")} to another one, or rename the host: hostnamectl set-hostname NAME`;
    if (node.name.length > 63) {
      return [
        {
          message: `The node's name "${node.name}" has ${node.name.length} characters; expected at most 63`,
          hint,
        },
      ];
    }
    if (/^localhost(\.|$)/.test(node.name)) {
      return [
        {
          message: `The node's name is "${node.name}", which every host has for itself; expected a name of its own`,
          hint,
        },
      ];
    }
    if (NODE_NAME.test(node.name)) return [];
    return [
      { message: `The node's name "${node.name}" is no DNS name; expected a-z, 0-9, "-" and "."`, hint },
    ];
  },
};
