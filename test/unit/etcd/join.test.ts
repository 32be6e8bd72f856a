import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { settleMember } from "../../../src/etcd/member.ts";
import { EtcdError } from "../../../src/etcd/wire.ts";
import { LOCK_KEY } from "../../../src/etcd/lock.ts";
import { paths } from "../../../src/paths.ts";
import { lastWords } from "../../../src/etcd/last-words.ts";
import type { FakeMember } from "../../fake/etcd.ts";
import { container, fakeDocker } from "../../fake/docker.ts";
import { joining, type Joining, recordOf, WAL } from "./help.ts";

/** Who is a member, and whether with a vote. */
const membersOf = ({ etcd }: Joining) =>
  etcd.members.map(({ name, learner }) => `${name}${learner ? " learner" : ""}`);

const flagsOf = ({ w }: Joining) =>
  w.machine.docker.specs.get("etcd")?.command.filter((flag) => flag.startsWith("--initial-cluster"));

const killed = new Error("killed");

describe("a master that joins", () => {
  test("is added as learner, catches up, gets its vote, and lets the next one in", async () => {
    await using j = await joining(["m1", "m2"]);
    expect(await j.settle()).toBe("changed");
    expect(membersOf(j)).toEqual(["m1", "m2", "n1"]);
    expect(j.etcd.calls).toEqual(["add https://10.0.0.5:2380", "promote 3"]);
    expect(j.said).toContain("learner is catching up: index 40 of 100");
    expect(await recordOf(j)).toEqual({
      id: "3",
      clusterId: "7",
      initialCluster: "m1=https://10.0.0.11:2380,m2=https://10.0.0.12:2380,n1=https://10.0.0.5:2380",
      joined: true,
    });
    expect(flagsOf(j)).toEqual([
      "--initial-cluster=m1=https://10.0.0.11:2380,m2=https://10.0.0.12:2380,n1=https://10.0.0.5:2380",
      "--initial-cluster-token=c-1",
      "--initial-cluster-state=existing",
    ]);
    expect(j.etcd.keys.size).toBe(0);
    expect(await j.settle()).toBe("unchanged");
    expect(j.etcd.calls.length).toBe(2);
  });

  test("makes two voters, and warns that they tolerate no failure", async () => {
    await using j = await joining();
    await j.settle();
    expect(j.w.logged).toContainEqual(expect.stringContaining("etcd has two voters now"));
  });

  test("never begins a cluster of its own when it knows no other master", async () => {
    await using j = await joining([]);
    await expect(j.settle()).rejects.toThrow(
      'Cannot join etcd: this node has joined a cluster, but "/var/opt/pf9/nodelet/peers.json" names no other master',
    );
    expect(j.w.machine.docker.calls).toEqual([]);
  });

  test("killed at any moment it is a member after the next run, once", async () => {
    let moment = 0;
    for (let died = true; died; moment++) {
      await using j = await joining(["m1", "m2"]);
      let count = 0;
      const tick = () => {
        if (++count > moment) throw killed;
      };
      const client = j.etcd.client();
      const around =
        <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
        async (...args: A) => {
          tick();
          const result = await work(...args);
          tick();
          return result;
        };
      const mortal = {
        ...client,
        addLearner: around(client.addLearner),
        promote: around(client.promote),
        claim: around(client.claim),
        // Who is killed says no farewell.
        revoke: async () => {},
      };
      const { ensure } = j.ctx.host;
      Object.assign(j.ctx.host, { ensure: around(ensure) });
      died = await j.settle({ etcd: mortal }).then(
        () => false,
        (error) => {
          expect(error).toBe(killed);
          return true;
        },
      );
      Object.assign(j.ctx.host, { ensure });
      await j.settle();
      expect([moment, membersOf(j)]).toEqual([moment, ["m1", "m2", "n1"]]);
      expect(await recordOf(j)).toMatchObject({ id: j.etcd.members[2]?.id ?? "", joined: true });
    }
    expect(moment).toBeGreaterThan(10);
  });

  test("waits for the one who is at it, and says for whom", async () => {
    await using j = await joining();
    const client = j.etcd.client();
    const lease = await client.grant(15);
    const value = JSON.stringify({ holder: "m2", ip: "10.0.0.12", what: "is joining", since: -12_000 });
    await client.claim(LOCK_KEY, { value, lease });
    const { onSleep } = j.w.clock;
    j.w.clock.onSleep = (count) => {
      onSleep?.(count);
      if (count !== 5) return;
      expect(j.etcd.calls).toEqual([]);
      void client.revoke(lease);
    };
    await j.settle();
    expect(j.said.slice(0, 2)).toEqual([
      'waiting for "m2", which is joining since 12 s',
      'waiting for "m2", which is joining since 13 s',
    ]);
    expect(membersOf(j)).toEqual(["m1", "n1"]);
  });

  test("goes on at once after a run of its own that was killed with the lock", async () => {
    await using j = await joining();
    const client = j.etcd.client();
    const value = JSON.stringify({ holder: "n1", ip: "10.0.0.5", what: "is joining", since: 0 });
    await client.claim(LOCK_KEY, { value, lease: await client.grant(15) });
    await j.settle();
    expect(j.w.clock.now()).toBeLessThan(5_000);
  });

  test("waits for an election, and not for ever for masters that are down", async () => {
    await using j = await joining(["m1", "m2"]);
    const [m1, m2] = j.etcd.members;
    for (const member of [m1, m2]) if (member) member.up = false;
    await expect(j.settle()).rejects.toThrow("No etcd member answers with a majority behind it");
    expect(j.w.clock.now()).toBeGreaterThan(60_000);
    const { onSleep } = j.w.clock;
    const begun = j.w.clock.now();
    j.w.clock.onSleep = (count) => {
      onSleep?.(count);
      if (j.w.clock.now() > begun + 5_000) for (const member of [m1, m2]) if (member) member.up = true;
    };
    await j.settle();
    expect(membersOf(j)).toEqual(["m1", "m2", "n1"]);
  });

  test("is told which file system is full when etcd ends while it catches up, and completes when there is room", async () => {
    await using j = await joining();
    j.w.clock.onSleep = () => {
      j.w.machine.docker.output.set("etcd", "panic: write wal: no space left on device");
      j.w.machine.docker.containers.set("etcd", container("etcd", { status: "restarting (2)", exitCode: 2 }));
    };
    await expect(j.settle()).rejects.toThrow(
      'Cannot join etcd: the file system of "/var/opt/pf9/etcd/data" is full; etcd says: panic: write wal: no space left on device',
    );
    expect(j.etcd.keys.size).toBe(0);
    j.w.clock.onSleep = () => {
      const own = j.etcd.members.at(-1);
      if (own) own.index = j.etcd.index;
    };
    await j.settle();
    expect(j.etcd.calls).toEqual([
      "add https://10.0.0.5:2380",
      "remove 2",
      "add https://10.0.0.5:2380",
      "promote 3",
    ]);
    expect(membersOf(j)).toEqual(["m1", "n1"]);
  });

  test.each([
    ["none is down", undefined, "etcd lets the next one in some seconds after the last one"],
    ["one is down", "m2", 'etcd lets nobody in while "m2" does not answer'],
  ])("says why etcd lets nobody in now: %s", async (_, down, words) => {
    await using j = await joining(["m1", "m2", "m3"]);
    for (const member of j.etcd.members) member.up = member.name !== down;
    let refusals = 3;
    j.etcd.before = () => {
      if (refusals-- > 0) throw new EtcdError('etcd at "m1" refused: unhealthy cluster', "refused");
    };
    await j.settle();
    expect(j.said[0]).toBe(words);
  });

  test("waits a quarter of a minute for a voter that is down, and names the way out", async () => {
    await using j = await joining(["m1", "m2", "m3"]);
    (j.etcd.members[1] as FakeMember).up = false;
    j.etcd.before = () => {
      throw new EtcdError('etcd at "m1" refused: unhealthy cluster', "refused");
    };
    const begun = j.w.clock.monotonic();
    await expect(j.settle()).rejects.toMatchObject({
      message: 'Cannot join etcd: etcd lets nobody in while "m2" does not answer',
      hint: "bring it up; if it is gone for good, on a master: nodelet node remove m2; then run the same command again",
    });
    expect(j.w.clock.monotonic() - begun).toBeWithin(15_000, 16_000);
    expect([j.etcd.calls, j.etcd.keys.size]).toEqual([[], 0]);
  });

  test("a voter that was down for a moment, again and again, ends nothing", async () => {
    await using j = await joining(["m1", "m2", "m3"]);
    const [, second] = j.etcd.members as [FakeMember, FakeMember];
    let refusals = 300;
    j.etcd.before = () => {
      second.up = refusals % 50 === 0;
      if (refusals-- > 0) throw new EtcdError('etcd at "m1" refused: unhealthy cluster', "refused");
    };
    expect(await j.settle()).toBe("changed");
  });

  test("gives up when nothing goes forward for two minutes, and says what stands still", async () => {
    await using j = await joining();
    j.w.clock.onSleep = () => {};
    await expect(j.settle()).rejects.toThrow(
      "Cannot join etcd within 120 s: learner is catching up: index 0 of 100",
    );
    expect(j.etcd.keys.size).toBe(0);
  });
});

describe("a master that has lost its data", () => {
  const lose = (j: Joining) => rm(j.w.root.place("/var/opt/pf9/etcd/data/member"), { recursive: true });

  test("becomes a member anew, in the place of what it was", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.settle();
    await lose(j);
    expect(await j.settle()).toBe("changed");
    expect(j.etcd.calls.slice(2)).toEqual(["remove 3", "add https://10.0.0.5:2380", "promote 4"]);
    expect(await recordOf(j)).toMatchObject({ id: "4", joined: true });
  });

  test("as the first one too, and never begins a second cluster", async () => {
    await using j = await joining(["m1", "m2"]);
    j.etcd.voter("n1", "10.0.0.5").up = false;
    const first = { ...j.ctx, node: { ...j.ctx.node, joined: false } };
    const ways = { etcd: j.etcd.client(), accepts: j.etcd.accepts };
    expect(await settleMember(first, { ways })).toBe("changed");
    expect(membersOf(j)).toEqual(["m1", "m2", "n1"]);
    expect(flagsOf(j)).toContain("--initial-cluster-state=existing");
  });

  test("of a record alone finds its member again", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.settle();
    const before = await recordOf(j);
    await rm(j.w.root.place(paths.etcdMember));
    await j.settle();
    expect(await recordOf(j)).toMatchObject({ id: before?.["id"], joined: true });
    expect(j.etcd.calls.length).toBe(2);
  });
});

describe("why etcd ended", () => {
  const say = async (...lines: string[]) => {
    const docker = fakeDocker();
    docker.output.set("etcd", `${lines.join("\n")}\n`);
    return await lastWords(docker);
  };
  const fatal = JSON.stringify({
    level: "fatal",
    msg: "failed to commit tx",
    error: "write /db: no space left on device",
    stacktrace: "go.etcd.io/etcd/mvcc",
  });
  const begun = JSON.stringify({ level: "info", msg: "starting an etcd server" });

  test("is told by its last fatal line, though it was started again since", async () => {
    expect(await say(begun, fatal, begun)).toBe("failed to commit tx: write /db: no space left on device");
  });

  test("is told by a panic, and by the last line where nothing is grave", async () => {
    expect(await say("panic: freepages", "", "goroutine 1 [running]:")).toBe("panic: freepages");
    expect(await say(begun, "bye")).toBe("bye");
  });
});

describe("a member of the same name or address", () => {
  test("is removed when it is down", async () => {
    await using j = await joining(["m1", "m2"]);
    j.etcd.voter("n1", "10.0.0.5").up = false;
    await j.settle();
    expect(j.etcd.calls).toEqual(["remove 3", "add https://10.0.0.5:2380", "promote 4"]);
  });

  test("is removed when it is down at another address", async () => {
    await using j = await joining(["m1", "m2"]);
    j.etcd.voter("n1", "10.0.0.77").up = false;
    await j.settle();
    expect(membersOf(j)).toEqual(["m1", "m2", "n1"]);
  });

  test("is left alone when it lives, and nothing is changed", async () => {
    await using j = await joining(["m1", "m2"]);
    j.etcd.voter("n1", "10.0.0.77");
    const error = await j.settle().catch((thrown) => thrown);
    expect(error.message).toBe(
      'Cannot join etcd: a living member "n1" has the name of this node; it answers at https://10.0.0.77:2379',
    );
    expect(error.hint).toContain("nodelet node remove n1 on another master");
    expect(j.etcd.calls).toEqual([]);
    expect(j.w.machine.docker.calls).toEqual([]);
  });

  test("is left alone when only another master reaches it", async () => {
    await using j = await joining(["m1", "m2"]);
    const away = j.etcd.voter("n1", "10.0.0.77");
    away.up = false;
    j.etcd.connected.add(away.id);
    await expect(j.settle()).rejects.toThrow("it answers at https://10.0.0.77:2380");
    expect(j.etcd.calls).toEqual([]);
  });

  test("is removed when its last connection ends some seconds later", async () => {
    await using j = await joining(["m1", "m2"]);
    const away = j.etcd.voter("n1", "10.0.0.77");
    away.up = false;
    j.etcd.connected.add(away.id);
    const { onSleep } = j.w.clock;
    j.w.clock.onSleep = (count) => {
      onSleep?.(count);
      if (count === 10) j.etcd.connected.clear();
    };
    await j.settle();
    expect(membersOf(j)).toEqual(["m1", "m2", "n1"]);
  });

  test("is left alone when only its peer port is open", async () => {
    await using j = await joining(["m1", "m2"]);
    j.etcd.voter("n1", "10.0.0.77").clientUrls = [];
    await expect(j.settle()).rejects.toThrow("it answers at https://10.0.0.77:2380");
    expect(j.etcd.calls).toEqual([]);
  });
});

describe("a learner of another node, whose join was cut off", () => {
  const withLearner = async (more: object) => {
    const j = await joining();
    const learner = j.etcd.voter("m9", "10.0.0.19");
    Object.assign(learner, { learner: true, ...more });
    return j;
  };

  test("is promoted when it has its data", async () => {
    await using j = await withLearner({});
    await j.settle();
    expect(membersOf(j)).toEqual(["m1", "m9", "n1"]);
  });

  test("is removed when it is down", async () => {
    await using j = await withLearner({ up: false });
    await j.settle();
    expect(membersOf(j)).toEqual(["m1", "n1"]);
    expect(j.w.logged).toContainEqual(expect.stringContaining('removed the etcd learner "m9"'));
  });

  test("is removed when it never had a name", async () => {
    await using j = await withLearner({ name: "", clientUrls: [], up: false });
    await j.settle();
    expect(membersOf(j)).toEqual(["m1", "n1"]);
  });

  test("is given time when it lives, and removed when it does not catch up", async () => {
    await using j = await withLearner({ index: 3 });
    await j.settle();
    expect(j.said).toContain('the learner "m9" of a join that was cut off is catching up');
    expect(membersOf(j)).toEqual(["m1", "n1"]);
  });
});

describe("data of a member that is not in the cluster", () => {
  const record = (joined: boolean) =>
    `${JSON.stringify({ id: "99", clusterId: "7", initialCluster: "n1=https://10.0.0.5:2380", joined })}\n`;

  test("of a join that was cut off are removed before the new one", async () => {
    await using j = await joining();
    await j.w.root.write(WAL, "void");
    await j.w.root.write(paths.etcdMember, record(false), 0o600);
    await j.settle();
    expect(await j.w.root.read(WAL)).toBe("data");
    expect(membersOf(j)).toEqual(["m1", "n1"]);
  });

  test("of a member that another master removed stay, and it does not come back by itself", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.w.root.write(WAL, "void");
    await j.w.root.write(paths.etcdMember, record(true), 0o600);
    const error = await j.settle().catch((thrown) => thrown);
    expect(error.message).toBe(
      'Cannot start etcd: the member "n1" was removed from the cluster; its members are m1, m2',
    );
    expect(error.hint).toBe("nodelet reset frees this host; nodelet join makes it a node again");
    expect(await j.w.root.read(WAL)).toBe("void");
    expect(j.etcd.calls).toEqual([]);
  });

  test.each([
    ["lives at another address: another host has its place", "10.0.0.77", true, "removed"],
    ["was at the address that this host had, and is not there any more", "10.0.0.77", false, "unchanged"],
    ["is at its address", "10.0.0.5", false, "unchanged"],
  ])("of the first master stay; whose member %s", async (_what, ip, up, outcome) => {
    await using j = await joining(["m1", "m2"]);
    await j.w.root.write(WAL, "first");
    j.etcd.voter("n1", ip).up = up;
    const first = { ...j.ctx, node: { ...j.ctx.node, joined: false } };
    const settled = settleMember(first, { ways: { etcd: j.etcd.client(), accepts: j.etcd.accepts } });
    if (outcome === "removed")
      await expect(settled).rejects.toThrow(
        'the member "n1" was removed from the cluster; its members are m1, m2, n1 at https://10.0.0.77:2380',
      );
    else expect(await settled).toBe("unchanged");
    expect(await j.w.ctx.host.exists(paths.removed)).toBe(outcome === "removed");
    expect([await j.w.root.read(WAL), j.etcd.calls]).toEqual(["first", []]);
  });

  test("of the first master are its own that answers at both its addresses, after the one was changed", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.w.root.write(WAL, "first");
    j.etcd.voter("n1", "10.0.0.77").clientUrls.push("https://127.0.0.1:2379");
    const first = { ...j.ctx, node: { ...j.ctx.node, joined: false } };
    const ways = { etcd: j.etcd.client(), accepts: j.etcd.accepts };
    expect(await settleMember(first, { ways })).toBe("unchanged");
  });

  test("are started when nobody can tell, as when all hosts boot at once", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.settle();
    for (const member of j.etcd.members) member.up = false;
    expect(await j.settle()).toBe("unchanged");
  });
});
