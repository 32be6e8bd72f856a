import type { Check, CheckInput, Problem } from "../check.ts";
import { fateOf, parseFirewall } from "../firewall.ts";
import { BASE, type BaseChain, parseNft } from "../nft.ts";
import { ANY_PORT, filteredPorts } from "./firewall.ts";

/** Rules in tables of their own, which iptables neither shows nor can overrule: each chain must let a packet pass. */
export const nftRules: Check = {
  code: "NftRules",
  level: "warning",
  title: "the packet filter of nft lets the node's packets pass",
  applies: ({ facts }) => facts.nftRules !== undefined,
  run: (input) =>
    parseNft(input.facts.nftRules ?? "")
      .filter((chain) => !isOthers(chain, input))
      .flatMap((chain) =>
        chain.hook === "input" ? inputProblem(chain, input) : forwardProblem(chain, input),
      ),
};

/** Chains of iptables: it tells of its own itself where it is there, and the network plugin puts rules into FORWARD. */
function isOthers({ name }: BaseChain, { facts }: CheckInput): boolean {
  return name === "ip filter FORWARD" || (name === "ip filter INPUT" && facts.firewallRules !== undefined);
}

function isClosed({ rules }: BaseChain, port: number): boolean {
  return fateOf(parseFirewall(rules), { chain: BASE, port }) === "closed";
}

function inputProblem(chain: BaseChain, { config }: CheckInput): Problem[] {
  const closed = filteredPorts(config).filter((port) => isClosed(chain, port));
  if (closed.length === 0) return [];
  // No set of ports: in a table of iptables, that could not be read by it any more.
  const rules = [
    ...closed.map((port) => `tcp dport ${port} accept`),
    `ip saddr ${config.containersCidr} accept`,
  ];
  return [
    {
      message: `The nft chain "${chain.name}" lets nobody in to TCP ${closed.join(" and ")}; expected pods and other nodes to get there`,
      hint: remedy(chain, rules),
    },
  ];
}

function forwardProblem(chain: BaseChain, { config }: CheckInput): Problem[] {
  if (!isClosed(chain, ANY_PORT)) return [];
  const { containersCidr } = config;
  return [
    {
      message: `The nft chain "${chain.name}" lets no packet through; expected those from and to pods to pass`,
      hint: remedy(chain, [`ip saddr ${containersCidr} accept`, `ip daddr ${containersCidr} accept`]),
    },
  ];
}

function remedy({ name }: BaseChain, rules: readonly string[]): string {
  const commands = rules.map((rule) => `nft insert rule ${name} ${rule}`);
  return `run ${commands.join(" and ")}, and keep them where your rules are kept, for example /etc/nftables.conf`;
}
