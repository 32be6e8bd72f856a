import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { noteEvent, readNotes } from "../../../src/runner/book.ts";
import { tmpRoot } from "../../fake/root.ts";
import { phase } from "./help.ts";

const about = { phase: phase("055-etcd"), verb: "start", index: 1, total: 1 } as const;

test("the last operation of each phase is noted", async () => {
  await using root = await tmpRoot();
  const file = root.place("/var/state/phases.json");
  noteEvent(file, { ...about, type: "begin" });
  expect(readNotes(file)["055-etcd"]?.status).toBe("executing");
  noteEvent(file, { ...about, type: "fail", error: new Error("no disk"), ms: 1 });
  expect(readNotes(file)["055-etcd"]).toMatchObject({ status: "failed", message: "no disk" });
});

test("a note that can neither be written nor taken back stops nothing", async () => {
  await using root = await tmpRoot();
  const file = root.place("/var/state/phases.json");
  // As on a read-only file system: what is in the way can be neither overwritten nor removed.
  await mkdir(`${file}.tmp`, { recursive: true });
  noteEvent(file, { ...about, type: "begin" });
  expect(readNotes(file)).toEqual({});
});
