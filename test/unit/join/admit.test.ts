import { describe, expect, test } from "bun:test";
import { admit, type Candidate, judgeToken, type KnownNode } from "../../../src/join/admit.ts";
import { JoinRefusal } from "../../../src/join/refusal.ts";
import type { JoinState, NodeRecord, TokenRecord } from "../../../src/join/state.ts";
import { hashOf } from "../../../src/join/token.ts";

const NOW = 1_000_000;
const SECRET = "s".repeat(27);
const presented = { id: "abc123", secret: SECRET };
const blocks = { containersCidr: "10.20.0.0/16", nodeCidrMask: 24 };
const role = "worker" as const;

const token: TokenRecord = {
  id: "abc123",
  hash: hashOf(SECRET),
  role,
  created: 0,
  expires: NOW + 1,
  uses: 1,
  used: [],
};
const candidate: Candidate = {
  name: "w1",
  ip: "10.0.0.6",
  machineId: "w1-id",
  key: "key-1",
  from: "10.0.0.6",
};
const first: KnownNode = {
  name: "m1",
  ip: "10.0.0.5",
  podCidr: "10.20.0.0/24",
  role: "master",
  machineId: "m1-id",
  down: false,
};
const w1: KnownNode = {
  name: "w1",
  ip: "10.0.0.6",
  podCidr: "10.20.7.0/24",
  role,
  machineId: "old-id",
  down: false,
};
const record: NodeRecord = {
  name: "w1",
  ip: "10.0.0.6",
  machineId: "w1-id",
  key: "key-1",
  role,
  podCidr: "10.20.9.0/24",
  token: "abc123",
  joined: 5,
};

function state(change: { token?: Partial<TokenRecord>; nodes?: NodeRecord[] } = {}): JoinState {
  return { tokens: [{ ...token, ...change.token }], nodes: change.nodes ?? [], removed: [] };
}

type Call = Parameters<typeof admit>[1];

const call = (change: Partial<Call> = {}): Call => ({
  presented,
  role,
  candidate,
  known: [first],
  now: NOW,
  blocks,
  ...change,
});

function refusal(
  before: JoinState,
  change: Partial<Call> = {},
): { code: string; message: string; hint?: string } {
  const copy = structuredClone(before);
  try {
    admit(before, call(change));
  } catch (error) {
    expect(before).toEqual(copy);
    if (error instanceof JoinRefusal)
      return { code: error.code, message: error.message, ...(error.hint && { hint: error.hint }) };
  }
  throw new Error("expected a JoinRefusal");
}

test("a host is admitted with a block of its own, and the token is used up by its key", () => {
  const before = state();
  const { state: after, node, again } = admit(before, call());
  const { from: _, ...who } = candidate;
  expect(node).toEqual({ ...who, role, podCidr: "10.20.1.0/24", token: "abc123", joined: NOW });
  expect(after).toEqual({ tokens: [{ ...token, used: ["key-1"] }], nodes: [node], removed: [] });
  expect({ again, before }).toEqual({ again: false, before: state() });
});

describe("a token is refused", () => {
  const MAKE = "make a new one on a master: nodelet token create --role worker";
  test.each([
    [
      "with another id",
      { presented: { id: "zzzzzz", secret: SECRET } },
      {},
      'The token "zzzzzz" is not one of this cluster',
    ],
    [
      "with another secret",
      { presented: { ...presented, secret: "x".repeat(27) } },
      {},
      'The token "abc123" is not one of this cluster',
    ],
  ])("%s, in the same words", (_how, change, tokenChange, message) => {
    const hint = "make a new one on a master: nodelet token create";
    expect(refusal(state({ token: tokenChange }), change)).toEqual({ code: "TokenUnknown", message, hint });
  });

  test.each<[string, Partial<TokenRecord>, string, string]>([
    ["that was revoked", { revoked: true }, "TokenRevoked", 'The token "abc123" was revoked'],
    [
      "that ends now",
      { expires: NOW },
      "TokenExpired",
      'The token "abc123" expired at 1970-01-01T00:16:40.000Z',
    ],
    [
      "that others used up",
      { uses: 2, used: ["a", "b"] },
      "TokenUsedUp",
      'The token "abc123" was used 2 of 2 times',
    ],
  ])("%s", (_how, change, code, message) => {
    expect(refusal(state({ token: change }))).toEqual({ code, message, hint: MAKE });
  });

  test("for another role", () => {
    expect(refusal(state(), { role: "master" })).toEqual({
      code: "TokenRole",
      message: 'The token "abc123" is for a worker, and not for a master',
      hint: "make one on a master: nodelet token create --role master",
    });
  });

  test("and what it says never has the secret", () => {
    const wrong = "x".repeat(27);
    const error = refusal(state(), { presented: { ...presented, secret: wrong } });
    expect(JSON.stringify(error)).not.toContain(wrong);
  });
});

test("a token alone is judged without counting", () => {
  expect(judgeToken(state({ token: { used: ["a"] } }), { presented, now: NOW }).id).toBe("abc123");
});

describe("a host that comes again", () => {
  test("with the same key keeps its block, and is not counted", () => {
    const before = state({ token: { used: ["key-1"] }, nodes: [record] });
    const { state: after, node, again } = admit(before, call({ now: NOW - 1 }));
    expect({ after, node, again }).toEqual({ after: before, node: record, again: true });
  });

  test("with the same key is counted anew under another name, and after it was removed", () => {
    const used = state({ token: { used: ["key-1"] }, nodes: [record] });
    const other = { ...candidate, name: "w2", ip: "10.0.0.7", machineId: "w2-id" };
    expect(refusal(used, { candidate: other }).code).toBe("TokenUsedUp");
    expect(refusal({ ...used, nodes: [] }).code).toBe("TokenUsedUp");
  });

  test("with the same key and another token is counted by that one", () => {
    const second = { ...token, id: "second" };
    const before = { ...state({ nodes: [record] }), tokens: [{ ...token, used: ["key-1"] }, second] };
    const { state: after } = admit(before, call({ presented: { id: "second", secret: SECRET } }));
    expect(after.tokens.map(({ used }) => used)).toEqual([["key-1"], ["key-1"]]);
    expect(after.nodes[0]?.token).toBe("second");
  });

  test("after a reset, as the same machine at its address, is let in while its Node still stands", () => {
    const node = { ...w1, machineId: "w1-id" };
    const admitted = admit(
      state({ nodes: [{ ...record, key: "before reset" }] }),
      call({ known: [first, node] }),
    );
    expect(admitted.node).toMatchObject({ key: "key-1", podCidr: "10.20.7.0/24" });
    expect(admitted.state.nodes).toHaveLength(1);
    expect(admitted.state.removed).toEqual([{ name: "w1", key: "before reset", at: NOW }]);
  });

  test("with the address of another node is refused, though its key is known", () => {
    const stolen = { ...candidate, ip: "10.0.0.5" };
    const error = refusal(state({ nodes: [record] }), { candidate: stolen });
    expect(error).toMatchObject({
      code: "AddressTaken",
      message: 'The address 10.0.0.5 is that of the node "m1"',
    });
  });

  test("with its requests, but on another machine, is another host", () => {
    const replayed = { ...candidate, machineId: "thief", from: "10.0.0.66" };
    expect(refusal(state({ nodes: [record] }), { candidate: replayed })).toEqual({
      code: "NameTaken",
      message: 'There is a node "w1" already (10.0.0.6), and it is joining',
      hint: "give this host another name with --node-name, or remove it on a master: nodelet node remove w1",
    });
  });
});

describe("a name is taken", () => {
  const taken = 'There is a node "w1" already (10.0.0.6), and it';
  test("by a node that lives", () => {
    expect(refusal(state(), { known: [first, w1] })).toMatchObject({
      code: "NameTaken",
      message: `${taken} lives`,
    });
  });

  test("by a host that was admitted and is not in the API yet", () => {
    const other = { ...candidate, key: "key-2", machineId: "other", ip: "10.0.0.7", from: "10.0.0.7" };
    const before = state({ token: { uses: 2 }, nodes: [record] });
    expect(refusal(before, { candidate: other })).toMatchObject({
      code: "NameTaken",
      message: `${taken} is joining`,
    });
  });

  test.each([
    ["from another address", { from: "10.0.0.66" }],
    ["for another address", { ip: "10.0.0.66", from: "10.0.0.66" }],
  ])("against who knows its machine-id and asks %s", (_how, change) => {
    const known = [first, { ...w1, machineId: "w1-id" }];
    const error = refusal(state(), { known, candidate: { ...candidate, ...change } });
    expect(error).toMatchObject({ code: "NameTaken", message: `${taken} lives` });
  });

  test("for good by a node that is down, in the other role", () => {
    const known = [first, { ...w1, role: "master" as const, down: true }];
    expect(refusal(state(), { known })).toMatchObject({
      code: "NameTaken",
      message: 'The node "w1" was a master; this host is to be a worker',
    });
  });

  test("not by one that is down: its block goes to the host that takes its place", () => {
    const known = [first, { ...w1, down: true }];
    const before = state({ nodes: [{ ...record, key: "burnt", machineId: "old-id" }] });
    const { node, state: after } = admit(before, call({ known }));
    expect(node).toMatchObject({ name: "w1", key: "key-1", podCidr: "10.20.7.0/24" });
    expect(after.nodes).toEqual([node]);
  });
});

describe("an address is taken", () => {
  test.each([
    ["by a node that lives", [first, { ...w1, name: "w9" }], []],
    ["by a host that is not in the API yet", [first], [{ ...record, name: "w9", machineId: "other" }]],
  ])("%s", (_by, known, nodes) => {
    expect(refusal(state({ nodes }), { known })).toEqual({
      code: "AddressTaken",
      message: 'The address 10.0.0.6 is that of the node "w9"',
      hint: "choose another with --node-ip, or remove it on a master: nodelet node remove w9",
    });
  });

  test("not by a node that is down", () => {
    expect(admit(state(), call({ known: [first, { ...w1, name: "w9", down: true }] })).node.ip).toBe(
      "10.0.0.6",
    );
  });
});

test.each([
  ["a node", [{ ...first, machineId: "w1-id" }], [], "m1"],
  ["a host that joins", [first], [{ ...record, name: "w9", ip: "10.0.0.9" }], "w9"],
])("a copy of %s is told that it is one", (_of, known, nodes, name) => {
  const error = refusal(state({ nodes }), { known });
  expect(error).toMatchObject({
    code: "MachineTaken",
    message: `This host and the node "${name}" have the same /etc/machine-id`,
  });
  expect(error.hint).toContain("systemd-machine-id-setup");
});

test("two at the same instant with a token for one: the second sees the first, whichever that is", () => {
  const other = { ...candidate, name: "w2", ip: "10.0.0.7", key: "key-2", machineId: "w2-id" };
  for (const [one, two] of [
    [candidate, other],
    [other, candidate],
  ] as const) {
    const { state: after } = admit(state(), call({ candidate: one }));
    expect(refusal(after, { candidate: two }).code).toBe("TokenUsedUp");
  }
});

describe("blocks for pods", () => {
  const podCidrs = (list: (string | undefined)[]) =>
    list.map((podCidr, at) => ({
      ...first,
      name: `n${at}`,
      ip: `10.0.1.${at}`,
      machineId: `m${at}`,
      podCidr,
    }));
  const blockWith = (taken: (string | undefined)[], of = blocks) =>
    admit(state(), call({ known: podCidrs(taken), blocks: of })).node.podCidr;

  test("the lowest that is free is given, gaps first", () => {
    expect(blockWith(["10.20.0.0/24", "10.20.2.0/24"])).toBe("10.20.1.0/24");
  });

  test("a node without one takes none", () => expect(blockWith([undefined])).toBe("10.20.0.0/24"));

  test("one of another size, or that begins oddly, takes all that it overlaps", () => {
    expect(blockWith(["10.20.0.0/22"])).toBe("10.20.4.0/24");
    expect(blockWith(["10.20.0.128/25"])).toBe("10.20.1.0/24");
    expect(blockWith(["10.20.0.77/24"])).toBe("10.20.1.0/24");
    expect(blockWith(["172.16.0.0/24"])).toBe("10.20.0.0/24");
  });

  test("what was given to a host that joins is taken", () => {
    const nodes = [{ ...record, name: "w9", ip: "10.0.0.9", machineId: "x", podCidr: "10.20.1.0/24" }];
    expect(admit(state({ nodes }), call()).node.podCidr).toBe("10.20.2.0/24");
  });

  test("none is left", () => {
    const small = { containersCidr: "10.20.0.0/23", nodeCidrMask: 24 };
    const known = podCidrs(["10.20.0.0/24", "10.20.1.0/24"]);
    expect(refusal(state(), { known, blocks: small })).toEqual({
      code: "NoBlockLeft",
      message: "All blocks of 10.20.0.0/23 (/24) have a node",
      hint: "remove nodes that are gone, on a master: nodelet node remove NAME",
    });
  });
});
