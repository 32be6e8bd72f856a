import type { Area, Facts } from "./footprint.ts";

/**
 * Chains and rules of one family, without counters.
 *
 * @param family `iptables` or `ip6tables`; a host without `iptables-save`, or whose kernel has not the family, shows nothing
 */
export function firewallArea(family: "iptables" | "ip6tables"): Area {
  return {
    name: family,
    async look({ machine }) {
      const argv = [`${family}-save`];
      const saved = await machine.run(argv, { check: false, timeoutMs: 5000 }).catch(() => undefined);
      return saved?.exitCode === 0 ? parseRules(family, saved.stdout) : undefined;
    },
  };
}

/**
 * Facts from the output of iptables-save. A built-in chain that accepts is the same as a table that was never used. A rule
 * that stands twice is told as often.
 */
export function parseRules(family: string, saved: string): Facts {
  const facts: Record<string, string> = {};
  let table = "";
  for (const line of saved.split("\n")) {
    const [word = "", policy = ""] = line.split(" ");
    if (line.startsWith("*")) table = line.slice(1);
    else if (line.startsWith(":")) {
      if (policy !== "ACCEPT")
        facts[`${family} ${table} chain ${word.slice(1)}`] = policy === "-" ? "" : policy;
    } else if (line.startsWith("-A ") && !followsContainers(line)) {
      const rule = `${family} ${table} rule ${line}`;
      facts[rule] = facts[rule] === undefined ? "" : `${Number.parseInt(facts[rule] || "1") + 1} times`;
    }
  }
  return facts;
}

/**
 * Docker's own rules for published ports have addresses of containers in them, which change with every start; those of its
 * name server, in a host that is itself a container, have ports that do.
 */
function followsContainers(rule: string): boolean {
  return (
    /^-A DOCKER(_OUTPUT|_POSTROUTING)? /.test(rule) ||
    /^-A POSTROUTING -s (\S+)\/32 -d \1\/32 .*-j MASQUERADE$/.test(rule)
  );
}
