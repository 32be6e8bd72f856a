import { expect, test } from "bun:test";
import { Journal } from "../../../src/host/journal.ts";
import { undoAll } from "../../../src/host/undo.ts";
import { attachedHost } from "../../fake/host.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

test("a directory is emptied and stays, and undo has nothing to put back but what was there before", async () => {
  await using root = await tmpRoot();
  using machine = fakeMachine(root.path);
  const journal = new Journal(machine);
  const host = attachedHost(machine, { journal });
  await root.write("/srv/.there", "");
  const before = await root.snapshot();
  await host.ensure({ kind: "tree", path: "/srv/data" });
  expect(await host.ensure({ kind: "emptied", path: "/srv/data/member" })).toBe("unchanged");
  await root.write("/srv/data/member/wal/0.wal", "old");
  await root.write("/srv/data/member/snap", "old");
  expect(await host.ensure({ kind: "emptied", path: "/srv/data/member" })).toBe("changed");
  expect(await host.list("/srv/data")).toEqual(["member"]);
  expect(await host.list("/srv/data/member")).toEqual([]);
  await root.write("/srv/data/member/wal/0.wal", "new");
  await undoAll(machine, { records: journal.records() });
  const after = Object.entries(await root.snapshot()).filter(([path]) => path.startsWith("srv"));
  expect(after).toEqual(Object.entries(before).filter(([path]) => path.startsWith("srv")));
});
