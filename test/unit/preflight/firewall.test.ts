import { describe, expect, test } from "bun:test";
import { fateOf, parseFirewall } from "../../../src/preflight/firewall.ts";
import { config, lines, preflight } from "./fakes.ts";

const CLOSED =
  "FirewallRules: The iptables chain INPUT lets nobody in to TCP 6443 and 10250; expected pods and other nodes to get there => run iptables -I INPUT -p tcp -m multiport --dports 6443,10250 -j ACCEPT and iptables -I INPUT -s 10.20.0.0/16 -j ACCEPT, and keep them where your rules are kept";

const UFW = `-P INPUT DROP
-P FORWARD DROP
-N ufw-before-input
-N ufw-not-local
-N ufw-user-input
-A INPUT -j ufw-before-input
-A INPUT -j ufw-user-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -m comment --comment "ssh, -j DROP" -j ACCEPT
`;

describe("the packet filter", () => {
  test.each([
    ["no rules", "", "open"],
    ["a policy", "-P INPUT DROP\n", "closed"],
    ["a rule for all", "-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n", "closed"],
    [
      "an open port before a rule for all",
      "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 6443 -j ACCEPT\n-A INPUT -j DROP\n",
      "open",
    ],
    [
      "an open port behind a rule for all",
      "-P INPUT DROP\n-A INPUT -j DROP\n-A INPUT -p tcp -m tcp --dport 6443 -j ACCEPT\n",
      "closed",
    ],
    [
      "a range of ports",
      "-P INPUT DROP\n-A INPUT -p tcp -m multiport --dports 22,6000:7000 -j ACCEPT\n",
      "open",
    ],
    ["other ports", "-P INPUT DROP\n-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT\n", "closed"],
    ["another protocol", "-P INPUT DROP\n-A INPUT -p udp -j ACCEPT\n", "closed"],
    [
      "answers and loopback",
      "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n",
      "closed",
    ],
    ["a source", "-P INPUT DROP\n-A INPUT -s 10.20.0.0/16 -j ACCEPT\n", "open"],
    ["one that is kept out", "-P INPUT ACCEPT\n-A INPUT -s 192.0.2.0/24 -j DROP\n", "open"],
    ["a chain that returns", "-P INPUT ACCEPT\n-A INPUT -j A\n-A A -j RETURN\n-A A -j DROP\n", "open"],
    ["a chain that drops", "-P INPUT ACCEPT\n-A INPUT -j A\n-A A -p tcp -j DROP\n", "closed"],
    ["a limit", "-P INPUT DROP\n-A INPUT -p tcp -m limit --limit 3/min -j LOG\n", "closed"],
    ["chains in a circle", "-P INPUT ACCEPT\n-A INPUT -j A\n-A A -j B\n-A B -j A\n", "open"],
    ["ufw", UFW, "closed"],
    ["ufw with the port", `${UFW}-A ufw-user-input -p tcp -m tcp --dport 6443 -j ACCEPT\n`, "open"],
  ])("%s", (_name, rules, fate) => {
    expect(fateOf(parseFirewall(rules), { chain: "INPUT", port: 6443 })).toBe(fate as "open" | "closed");
  });
});

describe("runPreflight() on the packet filter", () => {
  test("warns of a closed host, with the rules that open it", async () => {
    const { errors, warnings } = await preflight({ firewall: "-P INPUT DROP\n" });
    expect([errors, lines(warnings)]).toEqual([[], [CLOSED]]);
  });

  test("speaks ufw's language where that made the rules", async () => {
    const { warnings } = await preflight({ firewall: UFW });
    expect(warnings[0]?.hint).toBe(
      "run ufw allow 6443/tcp and ufw allow 10250/tcp and ufw allow from 10.20.0.0/16",
    );
  });

  test("asks a worker for the kubelet's port only", async () => {
    const open = "-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 10250 -j ACCEPT\n";
    expect((await preflight({ firewall: open }, { config: config({ role: "worker" }) })).warnings).toEqual(
      [],
    );
  });

  test("leaves FORWARD to our plugin, and warns when there is another one", async () => {
    const rules = { firewall: "-P INPUT ACCEPT\n-P FORWARD DROP\n-A FORWARD -j REJECT\n" };
    expect((await preflight(rules)).warnings).toEqual([]);
    const noop = await preflight(rules, { config: config({ networkPlugin: "noop" }) });
    expect(lines(noop.warnings)).toEqual([
      "FirewallRules: A rule of the iptables chain FORWARD drops or rejects every packet; expected those of pods to pass => put in front of it: iptables -I FORWARD -s 10.20.0.0/16 -j ACCEPT and iptables -I FORWARD -d 10.20.0.0/16 -j ACCEPT",
    ]);
  });

  test("says that it could not look where there is neither iptables nor nft", async () => {
    const { unseen } = await preflight({ firewall: "none" });
    expect(unseen).toEqual([
      {
        code: "FirewallRules",
        title: "the packet filter lets the node's ports be reached",
        reason: "there is neither iptables nor nft to ask",
      },
    ]);
  });
});
