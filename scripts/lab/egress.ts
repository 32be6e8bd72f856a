import { randomUUID } from "node:crypto";
import { run } from "../lib/run.ts";
import { BARE_NETWORK, type Network, NETWORK } from "./constants.ts";
import { docker } from "./engine.ts";

/** What left the lab. */
export interface Counts {
  packets: number;
  /** Of the packets, their headers included. */
  bytes: number;
}

/** A count that goes on until it is stopped. */
export interface Egress extends AsyncDisposable {
  /** The chain of iptables that counts, in the table `raw` of this machine. */
  chain: string;
  /** What left since the beginning. */
  read(): Promise<Counts>;
  /** Takes the rules away. Doing it twice is not an error. */
  stop(): Promise<void>;
}

/** What stays on the wire of the lab by nature: to everybody there, or to a neighbour without an address of the subnet. */
const LOCAL = {
  iptables: ["224.0.0.0/4", "255.255.255.255"],
  ip6tables: ["fe80::/10", "ff00::/8"],
} as const;
const TOOLS = ["iptables", "ip6tables"] as const;

/**
 * Counts the packets of any protocol that a lab host sends to somewhere outside of its subnet, whether they would get there
 * or not. It looks before any other rule of this machine does, so a rule that drops them does not hide them.
 *
 * @param name Only this host, known by the address of its network card, whatever sender its packets name. Default: all bare ones.
 * @throws When there is no such host, or iptables refuses the rules.
 */
export async function countEgress(name?: string): Promise<Egress> {
  const chain = `nodelet-egress-${randomUUID().slice(0, 8)}`;
  const watch: Watch = { chain, ...(name === undefined ? { network: BARE_NETWORK } : await cardOf(name)) };
  const stop = async () => {
    for (const tool of TOOLS) await removeRules(tool, watch);
  };
  try {
    for (const tool of TOOLS) await addRules(tool, watch);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    chain,
    async read() {
      const counts = await Promise.all(TOOLS.map((tool) => readCounts(tool, watch)));
      return {
        packets: counts.reduce((sum, one) => sum + one.packets, 0),
        bytes: counts.reduce((sum, one) => sum + one.bytes, 0),
      };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

type Tool = (typeof TOOLS)[number];

/** A chain of our own, and whose packets go through it. */
interface Watch {
  chain: string;
  network: Network;
  /** Only from the network card with this address. */
  card?: string;
}

/** The network of a host, and the address of its card there. */
async function cardOf(name: string): Promise<{ network: Network; card: string }> {
  const format = "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.MacAddress}} {{end}}";
  const { stdout } = await docker(["inspect", "--type", "container", "--format", format, name]);
  const [at, card] = stdout.trim().split(" ");
  const network = [BARE_NETWORK, NETWORK].find((one) => one.name === at);
  if (network !== undefined && card !== undefined) return { network, card };
  throw new Error(
    `Cannot count egress of lab host "${name}": it is in network "${at}"; expected ${BARE_NETWORK.name} or ${NETWORK.name}`,
  );
}

/** One rule, as arguments; others may change rules at the same time. */
async function table(tool: Tool, args: string[], accept = [0]): Promise<string> {
  return (await run([tool, "--wait", "30", "--table", "raw", ...args], { accept })).stdout;
}

/** Destinations that do not count. */
function inside(tool: Tool, { network }: Watch): string[] {
  return [...(tool === "iptables" ? [network.subnet] : []), ...LOCAL[tool]];
}

/** The jump to the chain: raw PREROUTING sees a packet before the engine's own rules and before its route is known. */
function jump({ chain, network, card }: Watch): string[] {
  const from = card === undefined ? [] : ["--match", "mac", "--mac-source", card];
  return ["PREROUTING", "--in-interface", network.bridge, ...from, "--jump", chain];
}

async function addRules(tool: Tool, watch: Watch): Promise<void> {
  const { chain } = watch;
  await table(tool, ["--new-chain", chain]);
  for (const destination of inside(tool, watch))
    await table(tool, ["--append", chain, "--destination", destination, "--jump", "RETURN"]);
  await table(tool, ["--append", chain, "--match", "comment", "--comment", "nodelet lab: egress"]);
  await table(tool, ["--insert", ...jump(watch)]);
}

async function removeRules(tool: Tool, watch: Watch): Promise<void> {
  // What is not there is refused with 1 by one kind of iptables, with 2 by the other.
  const absent = [0, 1, 2];
  await table(tool, ["--delete", ...jump(watch)], absent);
  await table(tool, ["--flush", watch.chain], absent);
  await table(tool, ["--delete-chain", watch.chain], absent);
}

async function readCounts(tool: Tool, watch: Watch): Promise<Counts> {
  const last = String(inside(tool, watch).length + 1);
  const line = await table(tool, ["--list", watch.chain, last, "--verbose", "--exact", "--numeric"]);
  const [, packets, bytes] = /^\s*(\d+)\s+(\d+)\s/.exec(line) ?? [];
  if (packets !== undefined) return { packets: Number(packets), bytes: Number(bytes) };
  throw new Error(
    `Cannot count egress: ${tool} says "${line}" of chain "${watch.chain}"; expected a rule with counts`,
  );
}
