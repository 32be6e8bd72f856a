import { describe, expect, test } from "bun:test";
import { keepalivedConfig } from "../../../src/docker/keepalived.ts";
import type { Ctx } from "../../../src/ctx.ts";
import { awaitListed, listsMaster, type ListedWays, whyNotListed } from "../../../src/join/listed.ts";
import type { KubeObject } from "../../../src/kube/client.ts";
import { paths } from "../../../src/paths.ts";
import { peersText } from "../../../src/peers.ts";
import { world } from "../../fake/ctx.ts";
import { joiner } from "./help.ts";
import { identityOf, listening } from "./wire-help.ts";

const CONF = `${paths.keepalived}/keepalived.conf`;
const M1 = { name: "m1", ip: "10.0.0.4", master: true };

function masterNode(name: string, ip: string): KubeObject {
  const labels = { "node-role.kubernetes.io/master": "" };
  return {
    metadata: { name, labels },
    spec: {},
    status: { addresses: [{ type: "InternalIP", address: ip }] },
  } as KubeObject;
}

/** A master n1 that has joined m1, and what it sees of the others. */
async function joined(first: Partial<Record<"listed" | "lives" | "held", boolean | Error>> = {}) {
  const w = await world({ config: { masterVip: "10.0.0.99", masterVipInterface: "eth0" } });
  const ctx: Ctx = { ...w.ctx, node: { ...w.ctx.node, joined: true } };
  const seen = { listed: false, lives: true, held: true, ...first };
  const asked: string[] = [];
  const say = async (what: keyof typeof seen, who: string) => {
    asked.push(`${what} ${who}`.trim());
    const answer = seen[what];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const ways: ListedWays = {
    listed: ({ name }) => say("listed", name),
    lives: ({ name }) => say("lives", name),
    held: () => say("held", ""),
  };
  await w.root.write(paths.peers, peersText([M1]));
  w.kube.lists.set("/api/v1/nodes", [masterNode("m1", M1.ip), masterNode("n1", "10.0.0.5")]);
  return Object.assign(w, { ctx, seen, ways, asked });
}

const NOT_YET =
  'the master "m1" (10.0.0.4) does not have this one among the peers of its keepalived; see nodelet status there';

describe("a master that has joined", () => {
  test("starts keepalived when every other one has it among its peers, and does not ask again", async () => {
    await using t = await joined();
    const said: string[] = [];
    t.clock.onSleep = (count) => void (t.seen.listed = count >= 3);
    expect(await awaitListed(t.ctx, { ways: t.ways, say: (what) => void said.push(what) })).toBeUndefined();
    expect(new Set(said)).toEqual(new Set([`waits for its place beside the holder: ${NOT_YET}`]));
    t.asked.length = 0;
    t.seen.listed = false;
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBeUndefined();
    expect(await whyNotListed(t.ctx, t.ways)).toBeUndefined();
    expect(t.asked).toEqual([]);
  });

  test("does not while the holder does not know it: both would have the address", async () => {
    await using t = await joined();
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBe(NOT_YET);
    expect(await whyNotListed(t.ctx, t.ways)).toBe(NOT_YET);
  });

  test("does not while the daemon of a master is stopped that lives", async () => {
    await using t = await joined({
      listed: new Error("Cannot reach a master at 10.0.0.4:6442: ECONNREFUSED"),
    });
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBe(
      'the master "m1" (10.0.0.4) does not say whether it has this one among the peers of its keepalived: Cannot reach a master at 10.0.0.4:6442: ECONNREFUSED',
    );
  });

  test("does not wait for a master of which nothing answers", async () => {
    await using t = await joined({ listed: new Error("ETIMEDOUT"), lives: false });
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBeUndefined();
    expect(t.clock.sleeps).toEqual([]);
  });

  test("takes an address within seconds that nobody has, whoever knows it", async () => {
    await using t = await joined({ held: false });
    const before = t.clock.monotonic();
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBeUndefined();
    expect(t.clock.monotonic() - before).toBeWithin(5_000, 6_000);
  });

  test("does not believe that nobody has it before that was so for seconds", async () => {
    await using t = await joined({ held: false });
    t.clock.onSleep = (count) => void (t.seen.held = count % 5 === 0);
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBe(NOT_YET);
  });

  test("goes on without an API that could say who is a master, when nobody has the address", async () => {
    await using t = await joined({ held: false });
    t.kube.up = false;
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBeUndefined();
  });

  test("does not before its own Node is there", async () => {
    await using t = await joined({ listed: true });
    t.kube.lists.set("/api/v1/nodes", [masterNode("m1", M1.ip)]);
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBe("the cluster does not know this master yet");
  });

  test("learns of one that came while it joined, and asks it too: of two that come together one sees the other", async () => {
    await using t = await joined();
    const nodes = [masterNode("m1", M1.ip), masterNode("n1", "10.0.0.5"), masterNode("m2", "10.0.0.6")];
    t.kube.lists.set("/api/v1/nodes", nodes);
    t.ways.listed = async ({ name }) => name === "m1";
    const why =
      'the master "m2" (10.0.0.6) does not have this one among the peers of its keepalived; see nodelet status there';
    expect(await whyNotListed(t.ctx, t.ways)).toBe(why);
    // A look changes nothing.
    expect(await t.root.read(paths.peers)).toBe(peersText([M1]));
    expect(await awaitListed(t.ctx, { ways: t.ways })).toBe(why);
    expect(await t.root.read(paths.peers)).toBe(
      peersText([M1, { name: "m2", ip: "10.0.0.6", master: true }]),
    );
    expect(await t.root.mode(paths.peers)).toBe(0o600);
  });

  test("the first master asks nobody", async () => {
    await using t = await joined();
    const first = { ...t.ctx, node: { ...t.ctx.node, joined: false } };
    expect(await awaitListed(first, { ways: t.ways })).toBeUndefined();
    expect(t.asked).toEqual([]);
  });
});

describe("what a master answers to one that asks", () => {
  const held = { address: "10.0.0.99", interface: "eth0" };

  /** A master whose peers and whose keepalived are these. */
  async function answering(peers: readonly string[], conf: readonly string[] | undefined) {
    const w = await world();
    const list = peers.map((ip, at) => ({ name: `m${at + 2}`, ip, master: true }));
    await w.root.write(paths.peers, peersText(list));
    if (conf) await w.root.write(CONF, keepalivedConfig(w.ctx, { held, others: conf }));
    return w;
  }

  test.each([
    ["knows it, and so does its keepalived", ["10.0.0.6"], ["10.0.0.6"], true],
    ["knows it, and has no keepalived that would not", ["10.0.0.6"], undefined, true],
    ["knows it, and its keepalived does not yet", ["10.0.0.6"], ["10.0.0.7"], false],
    ["does not know it", [], undefined, false],
    ["does not know it any more", [], ["10.0.0.6"], false],
    ["knows one with an address that begins like its own", ["10.0.0.60"], ["10.0.0.60"], false],
  ])("%s", async (_what, peers, conf, listed) => {
    await using w = await answering(peers, conf);
    expect(await listsMaster(w.ctx, "10.0.0.6")).toBe(listed);
  });

  test("what keepalived has not read does not count", async () => {
    await using w = await answering(["10.0.0.6"], ["10.0.0.6"]);
    await w.root.write(`${paths.stateDir}/keepalived-reads`, "SIGHUP\n");
    expect(await listsMaster(w.ctx, "10.0.0.6")).toBe(false);
  });

  test("is told over the join service, to a node alone", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    const client = l.client({ identity: identityOf(host, certificates) });
    expect(await client.listed()).toBe(false);
    await l.m.w.root.write(paths.peers, peersText([{ name: "w1", ip: "10.0.0.6", master: true }]));
    expect(await client.listed()).toBe(true);
    await expect(l.client({}).listed()).rejects.toThrow("This needs the certificate of a node");
  });
});
