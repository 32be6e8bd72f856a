import { describe, expect, test } from "bun:test";
import { fateOf, parseFirewall } from "../../../src/preflight/firewall.ts";
import { BASE, parseNft } from "../../../src/preflight/nft.ts";
import { config, lines, preflight } from "./fakes.ts";

// Statements as nft 1.0.6 prints them.
const ACCEPT = { accept: null };
const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const dport = (right: unknown, op?: string) =>
  match({ payload: { protocol: "tcp", field: "dport" } }, right, op);
const state = (...names: string[]) => match({ ct: { key: "state" } }, { set: names }, "in");
const meta = (key: string, right: string, op?: string) => match({ meta: { key } }, right, op);
const vmap = (key: object, ...set: [unknown, object][]) => ({ vmap: { key, data: { set } } });
const CT = { ct: { key: "state" } };

interface Table {
  /** Statements of each rule of the base chain. */
  base?: object[][];
  /** Of another chain, `more`. */
  more?: object[][];
  policy?: string;
  hook?: string;
  family?: string;
  table?: string;
  name?: string;
}

/** The output of nft for one table with one base chain. */
function ruleset({
  base = [],
  more = [],
  policy = "accept",
  hook = "input",
  family = "inet",
  table = "filter",
  name = "in",
}: Table): string {
  const place = { family, table };
  const rules = (chain: string, all: object[][]) =>
    all.map((expr) => ({ rule: { ...place, chain, handle: 9, expr } }));
  return JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6" } },
      { table: { family, name: table, handle: 1 } },
      { chain: { ...place, name, handle: 2, type: "filter", hook, prio: 0, policy } },
      { chain: { ...place, name: "more", handle: 3 } },
      ...rules(name, base),
      ...rules("more", more),
    ],
  });
}

/** What becomes of a new connection to port 6443. */
const fatesOf = (table: Table) =>
  parseNft(ruleset(table)).map(({ rules }) => fateOf(parseFirewall(rules), { chain: BASE, port: 6443 }));

describe("a chain of nft", () => {
  const drop = { policy: "drop" };
  const cases: [string, Table, "open" | "closed"][] = [
    ["nothing in it", {}, "open"],
    ["a policy that drops", drop, "closed"],
    ["a rule that drops all", { base: [[{ counter: { packets: 1, bytes: 1 } }, { drop: null }]] }, "closed"],
    ["a rule that rejects all", { base: [[{ reject: { type: "icmpx" } }]] }, "closed"],
    ["the port", { ...drop, base: [[dport(6443), ACCEPT]] }, "open"],
    [
      "the port in a set with a range",
      { ...drop, base: [[dport({ set: [22, { range: [6000, 7000] }] }), ACCEPT]] },
      "open",
    ],
    ["other ports", { ...drop, base: [[dport({ set: [22, { range: [80, 90] }] }), ACCEPT]] }, "closed"],
    ["ports of a set with a name", { ...drop, base: [[dport("@open"), ACCEPT]] }, "open"],
    ["all ports but one", { ...drop, base: [[dport(22, "!="), ACCEPT]] }, "open"],
    ["another protocol", { ...drop, base: [[meta("l4proto", "icmp"), ACCEPT]] }, "closed"],
    [
      "UDP",
      { ...drop, base: [[match({ payload: { protocol: "udp", field: "dport" } }, 53), ACCEPT]] },
      "closed",
    ],
    ["IPv6", { ...drop, base: [[meta("nfproto", "ipv6"), ACCEPT]] }, "closed"],
    [
      "TCP and UDP",
      { ...drop, base: [[match({ meta: { key: "l4proto" } }, { set: ["udp", "tcp"] }), ACCEPT]] },
      "open",
    ],
    [
      "protocols by number",
      { ...drop, base: [[match({ meta: { key: "l4proto" } }, { set: [17, 6] }), ACCEPT]] },
      "open",
    ],
    ["TCP by its number", { ...drop, base: [[match({ meta: { key: "l4proto" } }, 6), ACCEPT]] }, "open"],
    [
      "loopback and answers",
      {
        ...drop,
        base: [
          [meta("iifname", "lo"), ACCEPT],
          [state("established", "related"), ACCEPT],
        ],
      },
      "closed",
    ],
    ["all but loopback dropped", { base: [[meta("iifname", "lo", "!="), { drop: null }]] }, "closed"],
    [
      "a source",
      {
        ...drop,
        base: [
          [
            match(
              { payload: { protocol: "ip", field: "saddr" } },
              { prefix: { addr: "10.20.0.0", len: 16 } },
            ),
            ACCEPT,
          ],
        ],
      },
      "open",
    ],
    ["a limit", { base: [[{ limit: { rate: 3, per: "minute" } }, { drop: null }]] }, "open"],
    [
      "a map of states",
      { ...drop, base: [[vmap(CT, ["established", ACCEPT], ["invalid", { drop: null }])]] },
      "closed",
    ],
    ["a map of states with new ones", { ...drop, base: [[vmap(CT, ["new", ACCEPT])]] }, "open"],
    [
      "a map of ports",
      {
        ...drop,
        base: [
          [
            vmap(
              { payload: { protocol: "tcp", field: "dport" } },
              [22, ACCEPT],
              [6443, { jump: { target: "more" } }],
            ),
          ],
        ],
        more: [[ACCEPT]],
      },
      "open",
    ],
    ["a map with a name", { ...drop, base: [[{ vmap: { key: CT, data: "@map" } }]] }, "open"],
    [
      "a chain that accepts",
      { ...drop, base: [[{ jump: { target: "more" } }]], more: [[dport(6443), ACCEPT]] },
      "open",
    ],
    [
      "a chain that returns",
      { ...drop, base: [[{ jump: { target: "more" } }]], more: [[{ return: null }], [ACCEPT]] },
      "closed",
    ],
    [
      "a module of iptables",
      { ...drop, base: [[{ xt: { type: "match", name: "multiport" } }, ACCEPT]] },
      "open",
    ],
    ["a target of iptables", { base: [[{ xt: { type: "target", name: "REJECT" } }]] }, "closed"],
    [
      "addresses of this host dropped",
      { base: [[match({ fib: { result: "type", flags: ["daddr"] } }, "local"), { drop: null }]] },
      "closed",
    ],
  ];
  test.each(cases)("with %s", (_name, table, fate) => expect(fatesOf(table)).toEqual([fate]));

  test("that is not asked about IPv4 packets to or through this host is none of ours", () => {
    expect([fatesOf({ family: "ip6" }), fatesOf({ family: "bridge" }), fatesOf({ hook: "output" })]).toEqual([
      [],
      [],
      [],
    ]);
  });

  test("is none in text that nft did not print", () => {
    expect([parseNft(""), parseNft("{}".slice(1))]).toEqual([[], []]);
  });
});

describe("preflight on a host with nft", () => {
  const closed = ruleset({ policy: "drop", name: "input" });
  const warningsOf = async (nft: string, host: Parameters<typeof preflight>[0] = {}, plan = {}) =>
    lines((await preflight({ nft, ...host }, plan)).warnings);

  test("warns of a chain that lets nobody in, and names the remedy", async () => {
    expect(await warningsOf(closed)).toEqual([
      'NftRules: The nft chain "inet filter input" lets nobody in to TCP 6443 and 10250; expected pods and other nodes to get there => run nft insert rule inet filter input tcp dport 6443 accept and nft insert rule inet filter input tcp dport 10250 accept and nft insert rule inet filter input ip saddr 10.20.0.0/16 accept, and keep them where your rules are kept, for example /etc/nftables.conf',
    ]);
    const worker = { config: config({ role: "worker" }) };
    expect((await warningsOf(closed, {}, worker))[0]).toContain("lets nobody in to TCP 10250;");
  });

  test("warns of a chain that lets nothing through", async () => {
    expect(await warningsOf(ruleset({ policy: "drop", hook: "forward", table: "fw", name: "fwd" }))).toEqual([
      'NftRules: The nft chain "inet fw fwd" lets no packet through; expected those from and to pods to pass => run nft insert rule inet fw fwd ip saddr 10.20.0.0/16 accept and nft insert rule inet fw fwd ip daddr 10.20.0.0/16 accept, and keep them where your rules are kept, for example /etc/nftables.conf',
    ]);
  });

  test("leaves the chains of iptables to iptables, and FORWARD to the network plugin", async () => {
    const own = { family: "ip", table: "filter", policy: "drop" };
    expect(await warningsOf(ruleset({ ...own, name: "INPUT" }))).toEqual([]);
    expect(await warningsOf(ruleset({ ...own, name: "INPUT" }), { firewall: "none" })).toHaveLength(1);
    expect(
      await warningsOf(ruleset({ ...own, name: "FORWARD", hook: "forward" }), { firewall: "none" }),
    ).toEqual([]);
  });

  test("has something to ask, and is not mentioned where there is no nft", async () => {
    const codes = (list: readonly { code: string }[]) => list.map(({ code }) => code);
    const asked = await preflight({ nft: "", firewall: "none" });
    expect([codes(asked.unseen), codes(asked.passed).includes("NftRules")]).toEqual([[], true]);
    const unasked = await preflight({ firewall: "none" });
    expect(unasked.unseen).toEqual([
      expect.objectContaining({ code: "FirewallRules", reason: "there is neither iptables nor nft to ask" }),
    ]);
    expect(codes(unasked.passed)).not.toContain("NftRules");
  });
});
