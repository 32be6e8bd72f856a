import type { Config, ConfigKey } from "./config.ts";
import { quote } from "./grammar.ts";
import { contains, overlaps, parseAddress, parseCidr } from "./net.ts";
import { keyOf } from "./validate.ts";

/** A rule over several keys. */
export interface CrossCheck {
  keys: readonly ConfigKey[];
  /** Gives what is wrong, or undefined. Is called with valid values only. */
  problem: (config: Config) => string | undefined;
}

/** What must hold between keys. */
export const crossChecks: readonly CrossCheck[] = [
  { keys: ["containersCidr", "servicesCidr"], problem: blocksOverlap },
  { keys: ["containersCidr", "podCidr"], problem: podCidrOutside },
  { keys: ["containersCidr", "nodeCidrMask"], problem: nodeCidrMaskUnfit },
  ...(["nodeIp", "masterIp", "masterVip"] as const).flatMap((host) =>
    (["containersCidr", "servicesCidr"] as const).map((block) => hostInside(host, block)),
  ),
  ...portChecks(),
  { keys: ["masterVip", "masterVipInterface"], problem: vipWithoutInterface },
  { keys: ["masterVip", "nodeIp"], problem: vipIsNode },
  { keys: ["etcdHeartbeatInterval", "etcdElectionTimeout"], problem: electionTooShort },
  { keys: ["cpuManagerPolicy", "reservedCpus"], problem: staticWithoutReserved },
  { keys: ["extraEnv"], problem: keyAsVariable },
];

function blocksOverlap({ containersCidr, servicesCidr }: Config): string | undefined {
  if (!overlaps(block(containersCidr), block(servicesCidr))) return undefined;
  return `containersCidr ${containersCidr} and servicesCidr ${servicesCidr} overlap; expected no common address`;
}

function podCidrOutside({ containersCidr, podCidr }: Config): string | undefined {
  if (podCidr === undefined || contains(block(containersCidr), block(podCidr))) return undefined;
  return `podCidr ${podCidr} is not in containersCidr ${containersCidr}; expected a block of it`;
}

function nodeCidrMaskUnfit({ containersCidr, nodeCidrMask }: Config): string | undefined {
  const { prefix } = block(containersCidr);
  // The controller manager keeps a bit for every block and takes at most 2^16.
  const [min, max] = [prefix, Math.min(30, prefix + 16)];
  if (nodeCidrMask >= min && nodeCidrMask <= max) return undefined;
  return `nodeCidrMask ${nodeCidrMask} does not fit containersCidr ${containersCidr}; expected ${min} to ${max}`;
}

function hostInside(
  host: "nodeIp" | "masterIp" | "masterVip",
  cidr: "containersCidr" | "servicesCidr",
): CrossCheck {
  const problem = (config: Config) => {
    const address = parseAddress(config[host] ?? "");
    if (!address || !contains(block(config[cidr]), address)) return undefined;
    return `${host} ${config[host]} is in ${cidr} ${config[cidr]}; expected an address outside`;
  };
  return { keys: [host, cidr], problem };
}

/** Ports of a node that no configuration moves. */
const TAKEN: Readonly<Record<number, string>> = {
  10248: "the kubelet",
  10249: "kube-proxy",
  10250: "the kubelet",
  10256: "kube-proxy",
  10257: "the controller manager",
  10259: "the scheduler",
};

function portChecks(): CrossCheck[] {
  const ports = ["apiPort", "balancerPort", "joinPort", "etcdClientPort", "etcdPeerPort"] as const;
  const taken = ports.map((port) => ({
    keys: [port],
    problem: (config: Config) => {
      const owner = TAKEN[config[port]];
      return owner === undefined
        ? undefined
        : `${port} ${config[port]} is a port of ${owner}; expected another`;
    },
  }));
  const pairs = ports.flatMap((a, at) => ports.slice(at + 1).map((b) => [a, b] as const));
  const equal = pairs.map(([a, b]) => ({
    keys: [a, b],
    problem: (config: Config) =>
      config[a] === config[b] ? `${a} and ${b} are both ${config[a]}; expected different ports` : undefined,
  }));
  return [...taken, ...equal];
}

// One without the other does nothing, and whoever set it believes that it does.
function vipWithoutInterface({ masterVip, masterVipInterface }: Config): string | undefined {
  if ((masterVip === undefined) === (masterVipInterface === undefined)) return undefined;
  return masterVip === undefined
    ? `masterVipInterface ${masterVipInterface} is set and masterVip is not; expected both or none`
    : `masterVip ${masterVip} is set and masterVipInterface is not; expected both or none`;
}

// The address moves from master to master, and a node keeps its own.
function vipIsNode({ masterVip, nodeIp }: Config): string | undefined {
  if (masterVip === undefined || masterVip !== nodeIp) return undefined;
  return `masterVip and nodeIp are both ${masterVip}; expected an address that no node has`;
}

function electionTooShort({ etcdHeartbeatInterval, etcdElectionTimeout }: Config): string | undefined {
  const least = 5 * etcdHeartbeatInterval;
  if (etcdElectionTimeout >= least) return undefined;
  return (
    `etcdElectionTimeout ${etcdElectionTimeout} is less than five times etcdHeartbeatInterval ` +
    `${etcdHeartbeatInterval}; expected at least ${least}`
  );
}

// Without reserved processors the kubelet refuses to start with this policy.
function staticWithoutReserved({ cpuManagerPolicy, reservedCpus }: Config): string | undefined {
  if (cpuManagerPolicy !== "static" || reservedCpus !== undefined) return undefined;
  return "cpuManagerPolicy static needs reservedCpus; expected for example reservedCpus 0";
}

// Two places that say the same thing would not stay the same.
function keyAsVariable({ extraEnv }: Config): string | undefined {
  const name = Object.keys(extraEnv).find((one) => keyOf(one) !== undefined);
  if (name === undefined) return undefined;
  return `${name} is the key ${quote(keyOf(name))}; expected it there`;
}

function block(text: string) {
  const cidr = parseCidr(text);
  if (!cidr) throw new TypeError(`${text} reached a cross check without being a CIDR`);
  return cidr;
}
