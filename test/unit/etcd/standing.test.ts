import { describe, expect, test } from "bun:test";
import type { EtcdClient } from "../../../src/etcd/client.ts";
import { type Standing, standingOf } from "../../../src/etcd/standing.ts";
import { paths } from "../../../src/paths.ts";
import { joining, type Joining } from "./help.ts";

/** The master n1 among others, with a vote of its own. */
async function settled(others: readonly string[]): Promise<Joining> {
  const j = await joining(others);
  await j.settle();
  j.w.clock.sleeps.length = 0;
  return j;
}

const stop = ({ etcd }: Joining, ...names: string[]) => {
  for (const member of etcd.members) if (names.includes(member.name)) member.up = false;
};

const look = (j: Joining, more: Partial<EtcdClient> = {}): Promise<Standing> =>
  standingOf(j.ctx, { etcd: { ...j.etcd.client(), ...more } });

const silent = { knownMembers: () => Promise.reject(new Error("nobody")) };
const NOBODY = "No etcd member answers with a majority behind it";

describe("a master that is to go", () => {
  test("may leave others that have a majority without it", async () => {
    await using j = await settled(["m1", "m2"]);
    expect(await look(j)).toEqual({ is: "member" });
    expect(j.w.clock.sleeps).toEqual([]);
  });

  test("is needed when they have none without it, and nothing is changed", async () => {
    await using j = await settled(["m1", "m2"]);
    stop(j, "m2");
    const calls = [...j.etcd.calls];
    expect(await look(j)).toEqual({
      is: "needed",
      why: "after it 2 voters, of which 1 is well: no quorum",
    });
    expect([j.etcd.calls, j.etcd.keys.size]).toEqual([calls, 0]);
  });

  test("is not needed for an election that is over in a moment", async () => {
    await using j = await settled(["m1", "m2"]);
    stop(j, "m1", "m2");
    j.w.clock.onSleep = (count) => {
      if (count === 3) for (const member of j.etcd.members) member.up = true;
    };
    expect(await look(j)).toEqual({ is: "member" });
  });

  test("is needed when it is one of two and does not run", async () => {
    await using j = await settled(["m1"]);
    stop(j, "n1");
    const why = `it has a vote in etcd beside "m1", and no majority answers (${NOBODY})`;
    expect(await look(j)).toEqual({ is: "needed", why });
    expect(await look(j, silent)).toEqual({ is: "needed", why });
  });

  test("is needed as the first one, which has no record", async () => {
    await using j = await joining(["m1"]);
    const ctx = { ...j.ctx, node: { ...j.ctx.node, joined: false } };
    await j.w.root.write(`${ctx.config.etcdDataDir}/member/wal`, "data");
    Object.assign(j.etcd.voter("n1", "10.0.0.5"), { up: false });
    const found = await standingOf(ctx, { etcd: { ...j.etcd.client(), ...silent } });
    expect(found).toMatchObject({ is: "needed" });
  });

  test("is alone as the last one, whatever its list of peers still says", async () => {
    await using j = await settled(["m1"]);
    j.etcd.members.splice(0, 1);
    expect(await look(j)).toEqual({ is: "alone" });
  });

  test("is alone when it knows nobody and nobody answers", async () => {
    await using j = await settled(["m1"]);
    await j.w.root.write(paths.peers, "[]");
    stop(j, "n1", "m1");
    expect(await look(j, silent)).toEqual({ is: "alone" });
    // What a member remembers counts as well.
    expect(await look(j)).toMatchObject({ is: "needed" });
  });

  test("is out when the list is without it, though another host has its name by now", async () => {
    await using j = await settled(["m1", "m2"]);
    j.etcd.members.pop();
    j.etcd.voter("n1", "10.0.0.6");
    expect(await look(j)).toEqual({ is: "out" });
  });

  test("that was removed is out when what is left of the others says so, and else needed", async () => {
    await using j = await settled(["m1", "m2"]);
    await j.w.root.write(paths.removed, "{}");
    stop(j, "m1", "m2");
    expect(await look(j)).toMatchObject({ is: "needed" });
    j.etcd.members.pop();
    expect(await look(j)).toEqual({ is: "out" });
    expect(await look(j, silent)).toMatchObject({ is: "needed" });
  });

  test("without a vote is not needed", async () => {
    await using j = await joining(["m1"]);
    stop(j, "m1");
    expect(await look(j, silent)).toEqual({ is: "member" });
    const learner = { name: "", clientUrls: [], learner: true, up: false };
    Object.assign(j.etcd.voter("", "10.0.0.5"), learner);
    expect(await look(j)).toEqual({ is: "member" });
  });
});
