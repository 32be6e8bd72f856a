import { describe, expect, test } from "bun:test";
import { ourChains, removalScript } from "../../../src/host/iptables.ts";

const saved = (...lines: string[]) => ["# Generated", ...lines, "COMMIT", "# Completed", ""].join("\n");

describe.each([
  { name: "an empty host", input: "", expected: "" },
  {
    name: "tables without ours",
    input: saved("*filter", ":INPUT ACCEPT [0:0]", "-A INPUT -j ACCEPT"),
    expected: "",
  },
  {
    name: "a chain of ours",
    input: saved("*nat", ":PREROUTING ACCEPT [1:2]", ":KUBE-SERVICES - [0:0]", "-A KUBE-SERVICES -j RETURN"),
    expected: "*nat\n:KUBE-SERVICES - [0:0]\n-X KUBE-SERVICES\nCOMMIT\n",
  },
  {
    name: "a jump into ours from a chain of others, with the words of its comment",
    input: saved(
      "*filter",
      ":FORWARD ACCEPT [0:0]",
      ":KUBE-FORWARD - [0:0]",
      '-A FORWARD -m comment --comment "a b" -j KUBE-FORWARD',
    ),
    expected:
      '*filter\n:KUBE-FORWARD - [0:0]\n-D FORWARD -m comment --comment "a b" -j KUBE-FORWARD\n-X KUBE-FORWARD\nCOMMIT\n',
  },
  {
    name: "a goto into ours",
    input: saved("*filter", ":KUBE-A - [0:0]", "-A INPUT -g KUBE-A"),
    expected: "*filter\n:KUBE-A - [0:0]\n-D INPUT -g KUBE-A\n-X KUBE-A\nCOMMIT\n",
  },
  {
    name: "jumps between ours, which go with the chains",
    input: saved("*filter", ":KUBE-A - [0:0]", ":KUBE-B - [0:0]", "-A KUBE-A -j KUBE-B"),
    expected: "*filter\n:KUBE-A - [0:0]\n:KUBE-B - [0:0]\n-X KUBE-A\n-X KUBE-B\nCOMMIT\n",
  },
  {
    name: "others that only mention our name",
    input: saved("*filter", ":MY-KUBE-A - [0:0]", '-A INPUT -m comment --comment "KUBE-A" -j MY-KUBE-A'),
    expected: "",
  },
  {
    name: "two tables, of which one is ours",
    input: saved("*mangle", ":FORWARD ACCEPT [0:0]", "COMMIT", "*nat", ":KUBE-A - [0:0]"),
    expected: "*nat\n:KUBE-A - [0:0]\n-X KUBE-A\nCOMMIT\n",
  },
  {
    name: "a rule without a target",
    input: saved("*filter", ":KUBE-A - [0:0]", "-A INPUT -s 10.0.0.0/8"),
    expected: "*filter\n:KUBE-A - [0:0]\n-X KUBE-A\nCOMMIT\n",
  },
])("removalScript() for $name", ({ input, expected }) => {
  test("removes ours and nothing else", () => expect(removalScript(input, "KUBE-")).toBe(expected));
});

test("ourChains() finds chains of every table", () => {
  const text = saved(
    "*filter",
    ":KUBE-A - [0:0]",
    ":INPUT ACCEPT [0:0]",
    "COMMIT",
    "*nat",
    ":KUBE-B - [0:0]",
  );
  expect(ourChains(text, "KUBE-")).toEqual(["KUBE-A", "KUBE-B"]);
});

/** A shell in a network of its own, where its rules reach nobody. */
function inPrivateNetwork(script: string, input = "") {
  return Bun.spawnSync(["unshare", "-n", "sh", "-c", script], {
    stdin: Buffer.from(input),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
}

const canTry =
  Bun.which("unshare") !== null && inPrivateNetwork("iptables -N X && iptables-save").exitCode === 0;

describe.skipIf(!canTry)("on real iptables", () => {
  const rules = `*filter
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
:THEIRS - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -j THEIRS
-A KUBE-FORWARD -j KUBE-FIREWALL
-A KUBE-FIREWALL -j DROP
COMMIT
*nat
:KUBE-SERVICES - [0:0]
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
COMMIT
`;
  const names = (text: string) =>
    text
      .split("\n")
      .filter((line) => /^(-A|:[A-Z-]+ - )/.test(line))
      .map((line) => line.replace(/ \[.*/, ""));

  test("only the rules of others are left", () => {
    const made = inPrivateNetwork("iptables-restore && iptables-save", rules).stdout.toString();
    const script = removalScript(made, "KUBE-");
    expect(ourChains(made, "KUBE-").sort()).toEqual(["KUBE-FIREWALL", "KUBE-FORWARD", "KUBE-SERVICES"]);
    const cleanUp =
      'iptables-restore && printf %s "$SCRIPT" | iptables-restore --noflush --wait 5 && iptables-save';
    const child = Bun.spawnSync(["unshare", "-n", "sh", "-c", cleanUp], {
      stdin: Buffer.from(rules),
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", SCRIPT: script },
    });
    expect(child.stderr.toString()).toBe("");
    expect(names(child.stdout.toString()).sort()).toEqual([
      "-A FORWARD -j THEIRS",
      "-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
      ":THEIRS -",
    ]);
  });
});
