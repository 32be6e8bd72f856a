/** Where packets are looked at: those for this host, and those for others. */
export type Hook = "input" | "forward";

/** A chain that the kernel asks about each packet; all of a hook must let it pass. */
export interface BaseChain {
  hook: Hook;
  /** `inet filter input`: family, table and name, as nft wants them. */
  name: string;
  /** The chain, as BASE, and those it leads to, in the words of `iptables -S`. */
  rules: string;
}

/** What the chain itself is called in {@linkcode BaseChain.rules}. */
export const BASE = "BASE";

/** Families whose chains see IPv4 packets that are routed. */
const FAMILIES = new Set(["inet", "ip"]);

interface NftChain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}
type Statement = Record<string, any>;
interface NftRule {
  family: string;
  table: string;
  chain: string;
  expr: Statement[];
}

/**
 * Reads what `nft -j list ruleset` prints. A condition that is not understood becomes one of a module that nobody knows,
 * which stands for "some packets".
 *
 * @returns no chain for text that nft did not print
 */
export function parseNft(text: string): BaseChain[] {
  const items = listOf(text);
  const chains = items.flatMap(({ chain }) => (chain ? [chain as NftChain] : []));
  const rules = items.flatMap(({ rule }) => (rule ? [rule as NftRule] : []));
  return chains
    .filter(({ family, hook }) => FAMILIES.has(family) && (hook === "input" || hook === "forward"))
    .map((base) => {
      const { family, table, name, hook, policy } = base;
      const title = (chain: string) => (chain === name ? BASE : chain);
      const inTable = rules.filter((one) => one.family === family && one.table === table);
      const lines = inTable.flatMap((rule) => linesOf(rule, title));
      const end = policy === "drop" ? [`-P ${BASE} DROP`] : [];
      return { hook: hook as Hook, name: `${family} ${table} ${name}`, rules: [...end, ...lines].join("\n") };
    });
}

function listOf(text: string): Statement[] {
  try {
    return (JSON.parse(text) as { nftables: Statement[] }).nftables;
  } catch {
    return [];
  }
}

/** One line for each verdict that a rule can end with. */
function linesOf({ chain, expr }: NftRule, title: (chain: string) => string): string[] {
  const conditions = expr.flatMap(conditionOf);
  const verdicts = expr.flatMap((statement) =>
    "vmap" in statement
      ? branchesOf(statement["vmap"])
      : verdictOf(statement).map((to) => ({ when: [], to })),
  );
  return verdicts.map(({ when, to }) => {
    const [word, target = ""] = to.split(" ");
    return ["-A", title(chain), ...conditions, ...when, word, word === "-j" ? title(target) : target].join(
      " ",
    );
  });
}

const VERDICTS: Readonly<Record<string, string>> = {
  accept: "ACCEPT",
  drop: "DROP",
  reject: "REJECT",
  return: "RETURN",
};

function verdictOf(statement: Statement): string[] {
  const [key = ""] = Object.keys(statement);
  const verdict = VERDICTS[key];
  if (verdict) return [`-j ${verdict}`];
  if (key === "jump" || key === "goto") return [`-j ${statement[key].target}`];
  const { xt } = statement;
  return xt?.type === "target" && Object.values(VERDICTS).includes(xt.name) ? [`-j ${xt.name}`] : [];
}

/** A map from values to verdicts is a rule for each. */
function branchesOf({ key, data }: Statement): { when: string[]; to: string }[] {
  // One that has a name of its own may let anybody in.
  if (!Array.isArray(data?.set)) return [{ when: UNKNOWN, to: "-j ACCEPT" }];
  return data.set.flatMap(([value, verdict]: [unknown, Statement]) =>
    verdictOf(verdict).map((to) => ({ when: matchOf({ op: "==", left: key, right: value }), to })),
  );
}

const UNKNOWN = ["-m", "unknown"];
/** Statements that ask nothing of a packet. */
const NEUTRAL = new Set(["counter", "log", "vmap", "jump", "goto", "mangle", ...Object.keys(VERDICTS)]);

function conditionOf(statement: Statement): string[] {
  const [key = ""] = Object.keys(statement);
  if (key === "match") return matchOf(statement["match"]);
  if (key === "xt" && (statement["xt"].type === "target" || statement["xt"].name === "comment")) return [];
  return NEUTRAL.has(key) ? [] : UNKNOWN;
}

/** A comparison in the words of iptables. */
function matchOf({ op, left, right }: Statement): string[] {
  const { payload, meta, ct, fib } = left ?? {};
  const values = valuesOf(right);
  const isEqual = op === "==" || op === "in";
  if (meta?.key === "iifname" || meta?.key === "iif") {
    // What comes from elsewhere does not come in by loopback.
    if (values.join() === "lo") return isEqual ? ["-i", "lo"] : [];
    return UNKNOWN;
  }
  if (!isEqual || values.some((value) => value.startsWith("@"))) return UNKNOWN;
  if (meta?.key === "nfproto") return values.includes("ipv4") ? [] : ["-p", "ipv6"];
  if (meta?.key === "l4proto" || payload?.field === "protocol") return protocol(values);
  if (payload?.protocol === "ip6" || payload?.protocol === "icmpv6") return ["-p", "ipv6"];
  if (payload?.protocol === "udp" || payload?.protocol === "icmp") return ["-p", payload.protocol];
  if (payload?.protocol === "tcp" || payload?.protocol === "th")
    return payload.field === "dport"
      ? ["-p", "tcp", "-m", "multiport", "--dports", values.join(",")]
      : UNKNOWN;
  if (ct?.key === "state") return ["-m", "conntrack", "--ctstate", values.join(",").toUpperCase()];
  // Everything that comes in is for an address of this host.
  return fib?.result === "type" && values.includes("local") ? [] : UNKNOWN;
}

function protocol(values: readonly string[]): string[] {
  // A host without /etc/protocols has numbers only.
  if (values.length > 1 && values.some((value) => value === "tcp" || value === "6")) return [];
  return ["-p", values[0] ?? ""];
}

/** A value, a range or a set, each as a word: `22`, `8000:9000`. */
function valuesOf(right: any): string[] {
  if (Array.isArray(right)) return right.flatMap(valuesOf);
  if (right?.set !== undefined) return valuesOf(right.set);
  if (right?.range !== undefined) return [right.range.join(":")];
  return right !== null && typeof right === "object" ? ["@"] : [String(right)];
}
