import type { Check, CheckInput } from "../check.ts";
import { needsRoot } from "../check.ts";
import { fateOf, parseFirewall } from "../firewall.ts";

/** The kubelet's, where the API server asks it for logs. */
const KUBELET_PORT = 10250;

/** A port that nobody opens stands for any packet that is forwarded. */
export const ANY_PORT = 1;

/** Programs that watch a host and set the packet filter as their server says, by their units. */
const AGENTS: readonly { name: string; unit: RegExp }[] = [
  { name: "CrowdStrike Falcon", unit: /^falcon-sensor\.service$/ },
  { name: "Illumio VEN", unit: /^(illumio|ilo-ven).*\.service$/ },
  { name: "Guardicore (Akamai)", unit: /^(gc-agent|guardicore).*\.service$/ },
  { name: "Carbon Black", unit: /^(cbdaemon|cbagentd|cb-psc-sensor)\.service$/ },
  { name: "Trend Micro", unit: /^(ds_agent|tmxbc)\.service$/ },
  { name: "Trellix (McAfee)", unit: /^(mfetpd|mfeespd|xagt)\.service$/ },
  { name: "Sophos", unit: /^(sophos-spl|sav-protect)\.service$/ },
  { name: "SentinelOne", unit: /^sentinelone\.service$/ },
  { name: "Cortex XDR", unit: /^traps_pmd\.service$/ },
  { name: "Microsoft Defender", unit: /^mdatp\.service$/ },
  { name: "ESET", unit: /^(eea|efs)\.service$/ },
];

/** Without these ports pods do not reach the API, so there is no DNS either. */
export const firewallRules: Check = {
  code: "FirewallRules",
  level: "warning",
  title: "the packet filter lets the node's ports be reached",
  unseen: (input) =>
    needsRoot(input) ?? (isUnasked(input) ? "there is neither iptables nor nft to ask" : undefined),
  run(input) {
    const { facts, config } = input;
    const firewall = parseFirewall(facts.firewallRules ?? "");
    const closed = filteredPorts(config).filter(
      (port) => fateOf(firewall, { chain: "INPUT", port }) === "closed",
    );
    // Our plugin puts its own rules in front; another one's are its own business, but it cannot know of a REJECT for all.
    const forward =
      config.networkPlugin === "noop" &&
      fateOf({ ...firewall, policies: new Map() }, { chain: "FORWARD", port: ANY_PORT }) === "closed";
    return [
      ...(closed.length === 0 ? [] : [inputProblem(input, closed)]),
      ...(forward
        ? [
            {
              message:
                "A rule of the iptables chain FORWARD drops or rejects every packet; expected those of pods to pass",
              hint: `put in front of it: iptables -I FORWARD -s ${config.containersCidr} -j ACCEPT and iptables -I FORWARD -d ${config.containersCidr} -j ACCEPT`,
            },
          ]
        : []),
    ];
  },
};

function isUnasked({ facts }: CheckInput): boolean {
  return facts.firewallRules === undefined && facts.nftRules === undefined;
}

/** The ports that pods and other nodes must reach. */
export function filteredPorts({ role, apiPort }: CheckInput["config"]): number[] {
  return [...(role === "master" ? [apiPort] : []), KUBELET_PORT];
}

function inputProblem({ facts, config }: CheckInput, closed: readonly number[]) {
  const ufw = facts.firewallRules?.includes("-N ufw-") === true;
  const open = ufw
    ? [...closed.map((port) => `ufw allow ${port}/tcp`), `ufw allow from ${config.containersCidr}`]
    : [
        `iptables -I INPUT -p tcp -m multiport --dports ${closed.join(",")} -j ACCEPT`,
        `iptables -I INPUT -s ${config.containersCidr} -j ACCEPT`,
      ];
  return {
    message: `The iptables chain INPUT lets nobody in to TCP ${closed.join(" and ")}; expected pods and other nodes to get there`,
    hint: `run ${open.join(" and ")}${ufw ? "" : ", and keep them where your rules are kept"}`,
  };
}

/** What they flush is missing until kube-proxy's next turn, and what they refuse is missing for good. */
export const endpointAgent: Check = {
  code: "EndpointAgent",
  level: "warning",
  title: "no endpoint security agent changes the packet filter",
  unseen: ({ facts }) => (facts.activeUnits ? undefined : "systemd does not answer"),
  run: ({ facts, config }) =>
    AGENTS.flatMap(({ name, unit }) => {
      const found = [...(facts.activeUnits ?? [])].find((one) => unit.test(one));
      if (!found) return [];
      return [
        {
          message: `The security agent ${name} is active (${found}); expected none that changes the packet filter or ends containers`,
          hint: `have its policy leave alone the iptables chains KUBE-*, CNI-*, PF9-* and DOCKER*, the interfaces cni0, pf9-vxlan and veth*, the blocks ${config.containersCidr} and ${config.servicesCidr}, and the programs in /opt/pf9`,
        },
      ];
    }),
};
