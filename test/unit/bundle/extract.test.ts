import { describe, expect, test } from "bun:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { extractEntries, stackIndex } from "../../../src/bundle/extract.ts";
import { bundleWorld, opened, refusal, withBytes } from "./world.ts";

describe("extractEntries()", () => {
  test("gives a stack directory that makes the same payload", async () => {
    await using t = await bundleWorld();
    const file = await t.create();
    const to = t.root.place("/out");
    const entries = await extractEntries(file, { entries: file.index.entries, to });
    await writeFile(`${to}/index.json`, JSON.stringify(stackIndex(file, entries)));
    const again = await t.create({ name: "again", from: { stack: to } });
    expect((await readFile(again.path)).equals(await readFile(file.path))).toBe(true);
  });

  test("writes only what is wanted, with its mode, and says what it wrote", async () => {
    await using t = await bundleWorld();
    const file = await t.create();
    const wanted = ["kubelet", "docker.io", "bin/dockerd", "lib/libx.so.1"];
    const entries = file.index.entries.filter(({ name }) => wanted.includes(name));
    const told: number[] = [];
    const written = await extractEntries(file, {
      entries,
      to: t.root.place("/out"),
      onBytes: (bytes) => told.push(bytes),
    });
    expect(written.map(({ path }) => path)).toEqual([
      "bin/kubelet",
      "runtime/bin/dockerd",
      "runtime/lib/libx.so.1",
      "licences/docker.io",
    ]);
    const modes = written.map(async ({ path }) => (await stat(t.root.place(`/out/${path}`))).mode & 0o777);
    expect(await Promise.all(modes)).toEqual([0o755, 0o755, 0o644, 0o644]);
    expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBe(
      entries.reduce((sum, { size }) => sum + size, 0),
    );
    const kubelet = await readFile(t.root.place("/out/bin/kubelet"));
    expect(kubelet.equals(t.stack.files.get("kubelet") ?? Buffer.alloc(0))).toBe(true);
  });

  test("of a damaged file leaves nothing half written", async () => {
    await using t = await bundleWorld();
    const made = await t.create();
    const entry = made.index.entries.find(({ name }) => name === "kubelet");
    if (entry?.kind !== "binary") throw new Error("no kubelet");
    const blob = made.index.blobs.find(({ sha256 }) => sha256 === entry.sha256);
    const at = blob?.offset ?? 0;
    await withBytes(made.path, (bytes) => void bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at));
    const file = await opened(made.path);
    await t.root.write("/out/bin/kubelet", "what was there");
    const extract = () => extractEntries(file, { entries: [entry], to: t.root.place("/out") });
    expect(await refusal(extract, file.path)).toContain(`Cannot use the bundle "FILE": bytes ${at}-`);
    expect(await t.root.read("/out/bin/kubelet")).toBe("what was there");
    expect(await Array.fromAsync(new Bun.Glob("**").scan({ cwd: t.root.place("/out"), dot: true }))).toEqual([
      "bin/kubelet",
    ]);
  });

  test("names a place where nothing can be written", async () => {
    await using t = await bundleWorld();
    const file = await t.create();
    await t.root.write("/out", "a file");
    const extract = () => extractEntries(file, { entries: file.index.entries, to: t.root.place("/out") });
    expect(await refusal(extract, t.root.path)).toMatch(
      /^Cannot write "FILE\/out\/images\/pause.tar": E(NOTDIR|EXIST)/,
    );
  });
});
