import { expect, test } from "bun:test";
import { readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Host } from "../../../src/host/host.ts";
import { run } from "../../../src/host/run.ts";
import { measureSyncedWrites } from "../../../src/preflight/synced-writes.ts";
import { systemProbe } from "../../../src/preflight/system-probe.ts";
import { tmpRoot } from "../../fake/root.ts";

const host = { place: (path: string) => path, run } as unknown as Host;

test("synced writes are measured one by one, and leave nothing behind", async () => {
  await using root = await tmpRoot();
  const times = await measureSyncedWrites(root.path);
  expect(times.length).toBeGreaterThan(0);
  expect(times.length).toBeLessThanOrEqual(100);
  expect(times.every((ms) => ms > 0)).toBe(true);
  expect(await readdir(root.path)).toEqual([]);
});

test("where nothing can be written, there is nothing to measure", async () => {
  expect(await systemProbe(host).syncedWrites("/proc/nowhere")).toBeUndefined();
});

test("a disk is measured where a directory would be made", async () => {
  await using root = await tmpRoot();
  expect((await systemProbe(host).syncedWrites(join(root.path, "not/yet/there")))?.length).toBeGreaterThan(0);
  expect(await readdir(root.path)).toEqual([]);
});

test("a real path follows links as far as something exists", async () => {
  await using root = await tmpRoot();
  await root.write("/disk/data/file", "");
  await symlink(root.place("/disk"), root.place("/link"));
  const probe = systemProbe(host);
  expect(await probe.realPath(root.place("/link/data/file"))).toBe(root.place("/disk/data/file"));
  expect(await probe.realPath(root.place("/link/later/on"))).toBe(root.place("/disk/later/on"));
});
