import { describe, expect, test } from "bun:test";
import { footprintNow, keepFootprint, keptFootprint } from "../../../../src/host/footprint/keep.ts";
import { compareFootprints, differenceLine } from "../../../../src/host/footprint/compare.ts";
import { Journal } from "../../../../src/host/journal.ts";
import { JOURNAL_DIR } from "../../../../src/host/journal-store.ts";
import { fakeHost } from "./help.ts";

const record = { kind: "file", key: "/a", before: { type: "absent" } } as const;

async function setUp() {
  const t = await fakeHost();
  const again = () => new Journal(t.machine);
  return { ...t, again, keep: (dirs: string[] = []) => keepFootprint(t.probe, { journal: again(), dirs }) };
}

describe("keepFootprint()", () => {
  test("keeps what the host was like, for root alone", async () => {
    await using t = await setUp();
    await t.root.write("/etc/docker/daemon.json", "{}");
    await t.keep();
    expect(Object.keys(keptFootprint(t.again())?.areas["files"] ?? {})).toEqual([
      "/etc/docker",
      "/etc/docker/daemon.json",
    ]);
    expect(await t.root.mode(`${JOURNAL_DIR}/footprint.json`)).toBe(0o600);
  });

  test("is not done again on a host that was changed, also when the run was killed", async () => {
    await using t = await setUp();
    await t.keep();
    t.again().add(record);
    await t.root.write("/etc/docker/daemon.json", "{}");
    await t.keep();
    expect(keptFootprint(t.again())?.areas["files"]).toEqual({});
  });

  test("is done anew before a new node, whatever was left of an old one", async () => {
    await using t = await setUp();
    await t.keep();
    t.again().add(record);
    t.again().discard({ keep: "footprint.json" });
    await t.root.write("/opt/theirs", "");
    await t.keep();
    expect(Object.keys(keptFootprint(t.again())?.areas["files"] ?? {})).toEqual(["/opt"]);
  });

  test("a footprint of a newer program, or half of one, is none", async () => {
    await using t = await setUp();
    t.again().attach("footprint.json", '{"version":2}');
    expect(keptFootprint(t.again())).toBeUndefined();
    t.again().attach("footprint.json", '{"vers');
    expect(keptFootprint(t.again())).toBeUndefined();
  });
});

describe("footprintNow()", () => {
  test("looks at the same places, and not at what the journal itself has made", async () => {
    await using t = await setUp();
    await t.keep(["/data/etcd"]);
    await t.root.write("/data/etcd/member", "1");
    const journal = t.again();
    const kept = keptFootprint(journal);
    if (!kept) throw new Error("there is no footprint");
    const now = await footprintNow(t.probe, { journal, kept });
    expect(compareFootprints(kept, now).map(differenceLine)).toEqual([
      expect.stringMatching(/^\+ \/data\/etcd: directory /),
      expect.stringMatching(/^\+ \/data\/etcd\/member: file /),
    ]);
  });
});
