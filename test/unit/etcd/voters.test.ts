import { expect, test } from "bun:test";
import { stillSilent } from "../../../src/etcd/voters.ts";
import { joining, type Joining } from "./help.ts";

const silentNow = async ({ ctx, etcd, w }: Joining) => {
  const client = etcd.client();
  const silent = await stillSilent(await client.members(), { ...ctx, clock: w.clock, etcd: client });
  return silent.map(({ name }) => name);
};

test("a member that is down does not answer, however often it is asked", async () => {
  await using j = await joining(["m1", "m2", "m3"]);
  (j.etcd.members[1] as { up: boolean }).up = false;
  expect(await silentNow(j)).toEqual(["m2"]);
});

test("a member that starts anew is not taken for one that is down", async () => {
  await using j = await joining(["m1", "m2", "m3"]);
  const member = j.etcd.members[1] as { up: boolean };
  member.up = false;
  j.w.clock.onSleep = (count) => void (member.up = count > 1);
  expect(await silentNow(j)).toEqual([]);
});
