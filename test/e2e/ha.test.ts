// Three masters and two workers from one appliance on the first host. Then, under a client that writes through the masters' address all the
// time, hosts, programs and cables fail one after the other; nothing that was acknowledged is lost, and nobody lends a hand.
import { describe, expect } from "bun:test";
import { allReady, clusterStory, etcdMembers, joinNode, makeToken, type Member } from "../lab/cluster.ts";
import { type TestNode, waitUntil } from "../lab/harness.ts";
import { comesBack } from "../lab/power.ts";
import { type VipWatch, holderOf, watchVip } from "../lab/vip.ts";
import { everyPairReaches, podOnEveryNode } from "../lab/pairs.ts";
import { lostWrites, startWriter, type Writer } from "../lab/writer.ts";

const VIP = "10.89.0.90";
const MEMBERS: Member[] = [
  { name: "ha1", ip: "10.89.0.91", role: "master" },
  { name: "ha2", ip: "10.89.0.92", role: "master" },
  { name: "ha3", ip: "10.89.0.93", role: "master" },
  { name: "ha4", ip: "10.89.0.94", role: "worker" },
  { name: "ha5", ip: "10.89.0.95", role: "worker" },
];
const NAMES = MEMBERS.map(({ name }) => name);
const MASTERS = ["ha1", "ha2", "ha3"];

const say = (words: string) => void process.stderr.write(`${words}\n`);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

describe("three masters and two workers", () => {
  let writer: Writer;
  let vip: VipWatch;
  const { cluster, step } = clusterStory(MEMBERS, async ({ node }) => {
    const first = node("ha1");
    const done = await first.nodelet(["init", "--master-vip", VIP, "--master-vip-interface", "eth0"]);
    if (done.exitCode !== 0) throw new Error(`init ended with code ${done.exitCode}: ${done.stderr}`);
  });

  /** The master that holds the address now. */
  const holder = async (): Promise<TestNode> =>
    await waitUntil(async () => await holderOf(cluster.masters(), VIP), {
      what: "a holder of the VIP",
      deadlineMs: 60_000,
    });
  /** Etcd's first answer counts; a master that is asked during an election gives none, and is asked again. */
  const expectMembers = async (master: TestNode) => {
    const what = `the members of etcd on ${master.name}`;
    expect(await waitUntil(() => etcdMembers(master), { what, deadlineMs: 60_000 })).toEqual(MASTERS);
  };
  const another = (than: TestNode) => cluster.masters().find(({ name }) => name !== than.name) as TestNode;

  /** Does harm, waits until writes go on, and says how long there were none. */
  const harm = async (what: string, work: () => Promise<void>): Promise<void> => {
    const since = performance.now();
    await work();
    await writer.next();
    say(`${what}: writes resumed after ${seconds(writer.longestGap(since))}`);
  };

  step(
    "come from one appliance on the first host, masters and workers at the same instant",
    async ({ node }) => {
      const first = node("ha1");
      const masters = await makeToken(first, ["--role", "master", "--uses", "2"]);
      const workers = await makeToken(first, ["--role", "worker", "--uses", "2"]);
      await Promise.all([
        joinNode(node("ha2"), { at: VIP, token: masters }),
        joinNode(node("ha3"), { at: first.ip, token: masters }),
      ]);
      await Promise.all([
        joinNode(node("ha4"), { at: VIP, token: workers }),
        joinNode(node("ha5"), { at: VIP, token: workers }),
      ]);
      await allReady(first, { names: NAMES });
      for (const master of cluster.masters()) await expectMembers(master);
    },
  );

  step(
    "let pods reach one another on every pair of nodes, by address and through a service",
    async ({ node }) => {
      await podOnEveryNode(node("ha1"));
      await everyPairReaches(node("ha1"), { nodes: cluster.nodes });
    },
  );

  step("go on when the host that holds the address is lost", async ({ node }) => {
    writer = await startWriter(node("ha1"), VIP);
    vip = watchVip(cluster.masters, VIP);
    await writer.next();
    const lost = await holder();
    const since = performance.now();
    await harm("host of the VIP killed", () => lost.host.kill());
    say(`host of the VIP killed: the VIP moved after ${seconds(await vip.movedAfter(lost.name, since))}`);
    const back = Date.now();
    await lost.host.start();
    await comesBack(lost, { what: "the killed host", since: back, watchNode: true });
    await allReady(another(lost), { names: NAMES });
    // Nobody takes back what another one holds.
    expect((await holder()).name).not.toBe(lost.name);
  });

  step("go on when the API server of the holder dies", async () => {
    const hit = await holder();
    await harm(
      "API server of the holder killed",
      async () => void (await hit.sh("pkill -KILL -x kube-apiserver")),
    );
    await comesBack(hit, { what: "the killed API server", since: Date.now() });
  });

  step("go on when a master is cut off, and when it is back", async () => {
    const cut = await holder();
    const since = () => cut.sh("docker inspect -f '{{.State.StartedAt}}' etcd balancer proxy");
    const before = await since();
    await harm("holder cut off", () => cut.host.disconnect());
    await waitUntil(
      async () =>
        (await holderOf([another(cut), ...cluster.masters().filter((one) => one !== cut)], VIP)) !==
        undefined,
      {
        what: "another holder",
        deadlineMs: 60_000,
      },
    );
    await harm("cable plugged in again", () => cut.host.connect());
    await comesBack(cut, { what: "the cable", since: Date.now() });
    // Nothing of it was broken, so nothing of it was stopped.
    expect(await since()).toBe(before);
    await allReady(another(cut), { names: NAMES });
  });

  step("go on when the leader of etcd stops", async ({ node }) => {
    const status = await node("ha1").nodelet(["etcd", "status", "-o", "json"]);
    const { members } = JSON.parse(status.stdout) as { members: { name: string; leader?: boolean }[] };
    const leader = node(members.find((one) => one.leader)?.name ?? "");
    await harm("leader of etcd stopped", async () => void (await leader.sh("docker stop -t 0 etcd")));
    await comesBack(leader, { what: "the stopped leader", since: Date.now() });
  });

  step("leave the address where it is when somebody deletes the Node of its holder", async () => {
    const kept = await holder();
    const nodeOf = async () => (await another(kept).get(`node ${kept.name}`)).metadata.uid;
    const before = await nodeOf();
    await another(kept).kubectl(["delete", "node", kept.name, "--wait=false"]);
    await waitUntil(async () => (await nodeOf()) !== before, {
      what: "the Node made anew by its host",
      deadlineMs: 120_000,
    });
    await allReady(another(kept), { names: NAMES });
    expect((await holder()).name).toBe(kept.name);
  });

  step("come back by themselves when all lose power at once", async ({ node }) => {
    await Promise.all(cluster.nodes.map(({ host }) => host.kill()));
    const since = Date.now();
    await Promise.all(cluster.nodes.map(({ host }) => host.start()));
    await writer.next();
    say(`all five rebooted: a write after ${seconds(Date.now() - since)}`);
    await allReady(node("ha1"), { names: NAMES });
    say(`all five rebooted: all Ready after ${seconds(Date.now() - since)}`);
    await Promise.all(
      cluster
        .masters()
        .map((one) => comesBack(one, { what: `reboot of ${one.name}`, since, watchNode: true })),
    );
    await everyPairReaches(node("ha1"), { nodes: cluster.nodes });
  });

  step("take a new master in the place of one that burnt", async ({ node, replace }) => {
    const burnt = node("ha3");
    await burnt.host.kill();
    await writer.next();
    // Two of three are left: none of them may go now, and nothing is changed.
    const refused = await node("ha2").nodelet(["reset", "--yes"]);
    expect(refused).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining("after it 2 voters, of which 1 is well: no quorum"),
    });
    const fresh = await replace("ha3");
    const token = await makeToken(node("ha1"), ["--role", "master"]);
    await waitUntil(
      async () => {
        await joinNode(fresh, { at: VIP, token });
        return true;
      },
      { what: "the new host to be taken for the dead one", deadlineMs: 180_000 },
    );
    await allReady(node("ha1"), { names: NAMES });
    for (const master of cluster.masters()) await expectMembers(master);
  });

  step("let a worker go", async ({ node }) => {
    const done = await node("ha1").nodelet(["node", "remove", "ha5", "--yes"]);
    expect({ code: done.exitCode, stderr: done.stderr }).toMatchObject({ code: 0 });
    const { items } = await node("ha1").get("nodes");
    expect(items.map((one: any) => one.metadata.name).sort()).toEqual(["ha1", "ha2", "ha3", "ha4"]);
    await waitUntil(async () => !(await node("ha4").sh("ip route")).includes("10.89.0.95"), {
      what: "the routes of ha5 gone from ha4",
      deadlineMs: 30_000,
    });
  });

  step("lost nothing that was acknowledged, and never had two holders for long", async ({ node }) => {
    const acked = await writer.stop();
    say(`${acked.length} writes were acknowledged`);
    expect(acked.length).toBeGreaterThan(100);
    expect(await lostWrites(node("ha1"), acked)).toEqual([]);
    const { together } = await vip.stop();
    say(`two holders of the VIP at once for at most ${seconds(together)}`);
    expect(together).toBeLessThan(3_000);
  });
});
