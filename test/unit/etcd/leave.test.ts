import { describe, expect, test } from "bun:test";
import { genCerts } from "../../../phases/020-gen-certs.ts";
import { dockerStart } from "../../../phases/045-docker-start.ts";
import { etcdRun } from "../../../phases/055-etcd-run.ts";
import { expectQuorumWithout, leaveMembers, removeMember } from "../../../src/etcd/leave.ts";
import { LOCK_KEY } from "../../../src/etcd/lock.ts";
import { overviewOf } from "../../../src/etcd/overview.ts";
import { writeRecord } from "../../../src/etcd/record.ts";
import { EtcdError } from "../../../src/etcd/wire.ts";
import { paths } from "../../../src/paths.ts";
import { fakeFetch } from "../../fake/fetch.ts";
import { furnish } from "../phases/help.ts";
import { joining, type Joining } from "./help.ts";

const three = () => joining(["m1", "m2", "m3"]);

describe("removing a member", () => {
  test("happens under the lock, and leaves the others", async () => {
    await using j = await three();
    let held: boolean | undefined;
    j.etcd.before = () => {
      held = j.etcd.keys.has(LOCK_KEY);
    };
    expect(await removeMember(j.ctx, { etcd: j.etcd.client(), node: "m2", what: "is leaving" })).toBe(true);
    expect(held).toBe(true);
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["m1", "m3"]);
    expect(j.etcd.keys.size).toBe(0);
  });

  test("again changes nothing", async () => {
    await using j = await three();
    expect(await removeMember(j.ctx, { etcd: j.etcd.client(), node: "m9", what: "is leaving" })).toBe(false);
    expect(j.etcd.calls).toEqual([]);
  });

  test("is tried again while etcd is not ready for it", async () => {
    await using j = await three();
    let refusals = 3;
    j.etcd.before = () => {
      if (refusals-- > 0) throw new EtcdError('etcd at "m1" refused: unhealthy cluster', "refused");
    };
    expect(await removeMember(j.ctx, { etcd: j.etcd.client(), node: "m2", what: "is leaving" })).toBe(true);
    expect(j.etcd.members.length).toBe(2);
  });

  test("is refused when the others would have no majority, and nothing is changed", async () => {
    await using j = await three();
    const [, , m3] = j.etcd.members;
    if (m3) m3.up = false;
    const error = await removeMember(j.ctx, { etcd: j.etcd.client(), node: "m2", what: "is leaving" }).catch(
      (thrown) => thrown,
    );
    expect(error.message).toBe(
      'Cannot remove the etcd member "m2": after it 2 voters, of which 1 is well: no quorum',
    );
    expect(error.hint).toBe("bring the other masters up first: nodelet etcd status shows them");
    expect(j.etcd.calls).toEqual([]);
    expect(j.etcd.keys.size).toBe(0);
  });

  test("of a learner needs no majority without it", async () => {
    await using j = await joining(["m1", "m2"]);
    const [, m2] = j.etcd.members;
    if (m2) m2.learner = true;
    await expectQuorumWithout(m2 as NonNullable<typeof m2>, {
      etcd: j.etcd.client(),
      members: await j.etcd.client().members(),
    });
  });
});

describe("a master that leaves", () => {
  const leave = (j: Joining, before = async () => {}) =>
    leaveMembers(j.ctx, { etcd: j.etcd.client(), before });

  test("does what has to be done before under the lock, once", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.settle();
    let refusals = 3;
    j.etcd.before = () => {
      if (refusals-- > 0) throw new EtcdError('etcd at "m1" refused: unhealthy cluster', "refused");
    };
    const held: boolean[] = [];
    expect(await leave(j, async () => void held.push(j.etcd.keys.has(LOCK_KEY)))).toBe(true);
    expect(held).toEqual([true]);
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["m1", "m2"]);
  });

  test("has the whole of its time for etcd, however long that took", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.settle();
    let refusals = 1;
    j.etcd.before = () => {
      if (refusals-- > 0) throw new EtcdError('etcd at "m1" refused: unhealthy cluster', "refused");
    };
    expect(await leave(j, async () => await j.w.clock.sleep(60_000))).toBe(true);
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["m1", "m2"]);
  });

  test("does nothing of it when the others need this one", async () => {
    await using j = await joining(["m1", "m2"]);
    await j.settle();
    Object.assign(j.etcd.members[1] ?? {}, { up: false });
    let done = 0;
    await expect(leave(j, async () => void done++)).rejects.toThrow("no quorum");
    expect([done, j.etcd.members.length]).toEqual([0, 3]);
  });

  test("takes along what a join that was cut off has left at its address, and has no name", async () => {
    await using j = await joining(["m1"]);
    await j.etcd.client().addLearner("https://10.0.0.5:2380");
    expect(await leave(j)).toBe(true);
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["m1"]);
  });

  test("leaves a host alone that has its name by now", async () => {
    await using j = await joining(["m1"]);
    await j.settle();
    j.etcd.members.pop();
    j.etcd.voter("n1", "10.0.0.6");
    expect(await leave(j)).toBe(false);
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["m1", "n1"]);
  });

  test("as the last one with a vote has nobody to leave", async () => {
    await using j = await joining(["m1"]);
    await j.settle();
    j.etcd.members.splice(0, 1);
    expect(await leave(j)).toBe(false);
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["n1"]);
  });
});

describe("the phase's stop", () => {
  test("leaves the list of members alone", async () => {
    await using j = await joining();
    await j.settle();
    expect(await etcdRun.stop(j.ctx, () => {})).toBe("changed");
    expect(j.etcd.members.map(({ name }) => name)).toEqual(["m1", "n1"]);
  });

  /** A master with a vote that was taken out of the cluster of m1. */
  async function removed(): Promise<Joining> {
    const j = await joining();
    await furnish(j.w);
    await j.settle();
    await j.w.root.write(paths.removed, "{}", 0o600);
    return j;
  }
  /** m1 answers, and these are its members. */
  const answering = (...members: object[]) =>
    fakeFetch((url) => Response.json(url.endsWith("/member/list") ? { members } : {}));
  const m1 = { ID: "1", name: "m1", peerURLs: ["https://10.0.0.11:2380"] };

  test("of a node that was taken out ends etcd when it is not in the list any more", async () => {
    await using j = await removed();
    using _http = answering(m1);
    expect(await etcdRun.stop(j.ctx, () => {})).toBe("changed");
    expect(j.w.machine.docker.containers.has("etcd")).toBe(false);
  });

  test("of a node that was taken out fails while it has not left, and what etcd needs stays with it", async () => {
    await using j = await removed();
    using _http = fakeFetch(() => undefined);
    const error = await etcdRun.stop(j.ctx, () => {}).catch((thrown) => thrown);
    expect(error.message).toStartWith(
      'etcd runs on, as its member "n1" has not left the others: No etcd member answers with a majority behind it',
    );
    expect(error.hint).toContain("nodelet reset --abandon-cluster");
    const { machine, journal, root } = j.w;
    journal.add({ kind: "unit", key: "docker.service", before: { active: false, enabled: false } });
    await dockerStart.stop(j.ctx, () => {});
    expect(await genCerts.stop(j.ctx, () => {})).toBe("unchanged");
    expect(machine.docker.containers.get("etcd")?.running).toBe(true);
    expect(machine.units.get("docker.service")?.active).toBe(true);
    expect(await root.read(`${paths.certs}/etcd/healthcheck-client.crt`)).toBeDefined();
  });

  test("of a node that was taken out and has no etcd any more has nothing to wait for", async () => {
    await using j = await removed();
    await j.w.machine.docker.remove("etcd");
    using _http = fakeFetch(() => undefined);
    expect(await etcdRun.stop(j.ctx, () => {})).toBe("unchanged");
  });

  test("of a node that was taken out before it had a vote does not wait", async () => {
    await using j = await removed();
    await writeRecord(j.ctx, { id: "2", clusterId: "7", initialCluster: "n1=x", joined: false });
    using _http = fakeFetch(() => undefined);
    expect(await etcdRun.stop(j.ctx, () => {})).toBe("changed");
  });
});

describe("the overview", () => {
  test("tells each member's health, who leads, and who is behind", async () => {
    await using j = await three();
    const [m1, m2, m3] = j.etcd.members;
    if (m2) m2.up = false;
    if (m3) m3.index = 90;
    const { members, quorum, warnings } = await overviewOf(j.etcd.client());
    expect(members.map(({ name, health, leader, lag }) => ({ name, health, leader, lag }))).toEqual([
      { name: "m1", health: "ok", leader: true, lag: 0 },
      { name: "m2", health: "does not answer", leader: false, lag: undefined },
      { name: "m3", health: "ok", leader: false, lag: 10 },
    ]);
    expect([quorum.text, m1?.name, warnings]).toEqual(["3 voters, 2 well; none may fail", "m1", []]);
  });

  test("of two voters warns, and without a majority tells from memory", async () => {
    await using j = await joining(["m1", "m2"]);
    expect((await overviewOf(j.etcd.client())).warnings).toEqual([
      "two masters tolerate no failure: etcd stops when either is down; a third one makes it tolerate one failure",
    ]);
    const [, m2] = j.etcd.members;
    if (m2) m2.up = false;
    const { quorum, warnings } = await overviewOf(j.etcd.client());
    expect(quorum.text).toBe("2 voters, 1 well; no majority: 2 are needed");
    expect(warnings).toEqual([
      "without a majority nothing can be changed in the cluster; bring the masters up that are down",
    ]);
  });
});
