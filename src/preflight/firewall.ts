/** What becomes of a packet; undefined when a chain leaves it to the one that asked. */
export type Fate = "open" | "closed";

/** Policies and rules of a table, as `iptables -S` prints them. */
export interface Firewall {
  /** Of the chains that the kernel has by itself. */
  policies: ReadonlyMap<string, string>;
  chains: ReadonlyMap<string, readonly Rule[]>;
}

interface Rule {
  /** Words that a packet must match. */
  match: readonly string[];
  target: string;
}

/** Chains that lead to each other in a circle cannot be loaded; this is for text that no kernel printed. */
const MAX_DEPTH = 20;

/** Reads the text of `iptables -S`. */
export function parseFirewall(text: string): Firewall {
  const policies = new Map<string, string>();
  const chains = new Map<string, Rule[]>();
  for (const line of text.split("\n")) {
    const [kind = "", chain = "", ...words] = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
    if (kind === "-P") policies.set(chain, words[0] ?? "");
    if (kind === "-A") chains.set(chain, [...(chains.get(chain) ?? []), ruleOf(words)]);
  }
  return { policies, chains };
}

function ruleOf(words: readonly string[]): Rule {
  const jump = words.findIndex((word) => word === "-j" || word === "-g");
  const match = words.slice(0, jump === -1 ? words.length : jump).join(" ");
  return {
    match: match
      .replaceAll(/-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+)/g, "")
      // Everything that comes in is for an address of this host.
      .replaceAll(/-m addrtype --dst-type LOCAL/g, "")
      .split(" ")
      .filter((word) => word !== ""),
    target: jump === -1 ? "" : (words[jump + 1] ?? ""),
  };
}

/**
 * What becomes of a new TCP connection to a port. Rules with further conditions (a source, an interface, a set) are taken to
 * let in whoever is meant and to keep out others, so `closed` means that nothing lets anybody in.
 *
 * @param options `chain`: where to begin, for example `INPUT`
 */
export function fateOf(firewall: Firewall, options: { chain: string; port: number }): Fate {
  const policy = firewall.policies.get(options.chain) === "DROP" ? "closed" : "open";
  return walk(firewall, { ...options, depth: 0 }) ?? policy;
}

function walk(firewall: Firewall, at: { chain: string; port: number; depth: number }): Fate | undefined {
  for (const rule of firewall.chains.get(at.chain) ?? []) {
    const matches = matchOf(rule, at.port);
    if (matches === "no") continue;
    if (rule.target === "RETURN") return undefined;
    const fate = fateAt(firewall, { ...at, rule });
    if (fate === "open" || (fate === "closed" && matches === "all")) return fate;
  }
  return undefined;
}

function fateAt(
  firewall: Firewall,
  { rule, port, depth }: { rule: Rule; port: number; depth: number },
): Fate | undefined {
  if (rule.target === "ACCEPT") return "open";
  if (rule.target === "DROP" || rule.target === "REJECT") return "closed";
  if (depth >= MAX_DEPTH) return undefined;
  return walk(firewall, { chain: rule.target, port, depth: depth + 1 });
}

/** Whether a rule is about new connections to the port: about no, some or all of them. */
function matchOf({ match }: Rule, port: number): "no" | "some" | "all" {
  const value = (name: string) => match[match.indexOf(name) + 1] ?? "";
  const has = (name: string) => match.includes(name);
  if (has("-p") && !["tcp", "6", "all"].includes(value("-p"))) return "no";
  if (has("-i") && value("-i") === "lo") return "no";
  const states = has("--ctstate") ? value("--ctstate") : has("--state") ? value("--state") : "NEW";
  if (!states.split(",").includes("NEW")) return "no";
  const ports = has("--dport") ? value("--dport") : has("--dports") ? value("--dports") : undefined;
  if (ports !== undefined && !holdsPort(ports, port)) return "no";
  const known = ["-p", "-m", "--dport", "--dports", "--ctstate", "--state"];
  const further = match.some((word) => (word.startsWith("-") && !known.includes(word)) || word === "!");
  return further || isConditional(match) ? "some" : "all";
}

/** Modules whose mere presence is no condition. */
function isConditional(match: readonly string[]): boolean {
  const plain = ["tcp", "multiport", "conntrack", "state"];
  return match.some((word, at) => match[at - 1] === "-m" && !plain.includes(word));
}

/** `22`, `1000:2000`, or several with commas. */
function holdsPort(ports: string, port: number): boolean {
  return ports.split(",").some((part) => {
    const [from = "", to = from] = part.split(":");
    return Number(from) <= port && port <= Number(to);
  });
}
