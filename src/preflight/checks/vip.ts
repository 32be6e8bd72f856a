import type { Check, CheckInput } from "../check.ts";
import { setting } from "../check.ts";

/** Only masters hold the address, and it is there already where the node or its cluster is. */
const applies = ({ config }: CheckInput) => config.role === "master" && config.masterVip !== undefined;

/** Keepalived has to put the address somewhere. */
export const vipInterfaceMissing: Check = {
  code: "VipInterfaceMissing",
  level: "error",
  title: "the interface of masterVip is there",
  applies,
  run({ config, facts }) {
    const name = config.masterVipInterface ?? "";
    if (facts.interfaces.includes(name)) return [];
    const others = facts.interfaces.filter((one) => one !== "lo").join(", ") || "none";
    return [
      {
        message: `The interface ${name} of masterVip is not on this host; expected one of its interfaces: ${others}`,
        hint: `${setting("masterVipInterface")} to the one in the network of the masters`,
      },
    ];
  },
};

/** Two hosts that answer at one address make it answer for nobody. */
export const vipInUse: Check = {
  code: "VipInUse",
  level: "error",
  title: "nobody has masterVip yet",
  applies: (input) => applies(input) && !input.installed && !input.joining,
  run({ config, facts, node }) {
    const { masterVip } = config;
    const own = facts.addresses.find(({ address }) => address === masterVip);
    const where = own ? `on ${own.interface} of this host` : "in use by another host, which answers there";
    if (!own && !facts.vipAnswers) return [];
    const which = masterVip === node.ip ? ", as the node's own address" : "";
    return [
      {
        message: `The address ${masterVip} of masterVip is ${where}${which}; expected a free one in the network of the masters`,
        hint: `${setting("masterVip")} to an address that nobody has`,
      },
    ];
  },
};
