// The built program under another root: what reset says, and what stays.
import { describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeBundle } from "../fake/bundle.ts";
import { tmpRoot } from "../fake/root.ts";
import { nodelet } from "./nodelet.ts";

const EQUAL = /^Undid \d+ changes in .+; host equals its state before init\.\n/;
const STATE = "/var/opt/pf9/nodelet";
const COPY = "/var/lib/nodelet";

/** A host that was rendered into a directory. */
async function setUp() {
  const top = await tmpRoot();
  const [root, bundle] = [join(top.path, "root"), join(top.path, "bundle")];
  await top.write("/root/etc/pf9/theirs", "theirs");
  await writeBundle(bundle);
  const inside = (...args: string[]) => nodelet([...args, "--root", root]);
  const flags = ["--bundle", bundle, "--insecure-bundle", "--node-ip", "10.0.0.5", "--node-name", "n1"];
  const before = await top.snapshot();
  const done = await inside("init", ...flags);
  if (done.code !== 0) throw new Error(`init ended with code ${done.code}: ${done.stderr}`);
  const write = (path: string, text: string) => top.write(`/root${path}`, text);
  const remove = (path: string) => rm(join(root, path), { recursive: true });
  const reset = (...args: string[]) => inside("reset", "--yes", ...args);
  const left = async () => {
    const now = await top.snapshot();
    return Object.keys(now).filter((name) => now[name] !== before[name]);
  };
  const dispose = () => top[Symbol.asyncDispose]();
  const init = () => inside("init", ...flags);
  return { top, root, inside, init, write, remove, reset, left, [Symbol.asyncDispose]: dispose };
}

describe("reset compares the host with what it was before init", () => {
  test("and says that it is equal", async () => {
    await using t = await setUp();
    const { stdout, stderr, code } = await t.reset("-o", "json");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ failures: [], differences: [], equal: true });
    expect(await t.left()).toEqual([]);
  });

  test("and tells each difference, until there is none", async () => {
    await using t = await setUp();
    await t.write("/opt/pf9/mine", "x");
    await t.write("/etc/pf9/theirs", "changed");
    const { stdout, stderr, code } = await t.reset();
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    const [first, ...lines] = stdout.trimEnd().split("\n");
    expect(first).toMatch(/^Undid \d+ changes in .+; host differs from its state before init in 4 things:$/);
    expect(lines).toEqual([
      expect.stringMatching(/^~ \/etc\/pf9\/theirs: file .+, 6 B, sha256 \w+ → file .+, 7 B, sha256 \w+$/),
      expect.stringMatching(/^\+ \/opt: directory \d+ \d+:\d+$/),
      expect.stringMatching(/^\+ \/opt\/pf9: directory \d+ \d+:\d+$/),
      expect.stringMatching(/^\+ \/opt\/pf9\/mine: file \d+ \d+:\d+, 1 B, sha256 [0-9a-f]{12}$/),
      `Put right what nobody wanted, then run nodelet reset --verify. What is wanted may stay: rm -r ${STATE}`,
    ]);

    await t.remove("/opt");
    const again = await t.inside("reset", "--verify", "-o", "json");
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout).differences).toEqual([
      expect.objectContaining({ thing: "/etc/pf9/theirs", sign: "~" }),
    ]);
    await t.write("/etc/pf9/theirs", "theirs");
    const same = { stdout: "Nothing to undo; host equals its state before init.\n", stderr: "", code: 0 };
    expect(await t.inside("reset")).toEqual(same);
    expect(await t.left()).toEqual([]);
  });

  test("with --verify alone nothing is undone", async () => {
    await using t = await setUp();
    const before = await t.top.snapshot();
    const { stdout, code } = await t.inside("reset", "--verify");
    expect({ code, first: stdout.split(" in ")[0] }).toEqual({
      code: 1,
      first: "This host is a node; host differs from its state before init",
    });
    expect(await t.top.snapshot()).toEqual(before);
  });

  test("with --verify on a host that was never a node there is nothing to compare with", async () => {
    await using t = await setUp();
    await t.reset();
    expect(await t.inside("reset", "--verify")).toEqual({
      stdout: "",
      stderr:
        "error: Cannot compare: there is no footprint of this host from before init\n  nodelet init takes one before its first change; with it gone, look yourself: nodelet reset --dry-run\n",
      code: 1,
    });
  });
});

describe("reset without its journal", () => {
  test("undoes exactly by the copy, though all of nodelet's data is gone", async () => {
    await using t = await setUp();
    await t.remove("/var/opt/pf9");
    const { stdout, stderr, code } = await t.reset();
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `warning: The journal in "${STATE}" is gone; its copy in ${COPY} is used\n`,
    });
    expect(stdout).toMatch(EQUAL);
    expect(await t.left()).toEqual([]);
  });

  test("and without the copy removes what is surely nodelet's, keeps keys, and says what it cannot know", async () => {
    await using t = await setUp();
    await t.remove(STATE);
    await t.remove(COPY);
    await t.write("/opt/cni/bin/theirs", "theirs");
    await t.write("/etc/pf9/nodelet/config.yaml", "");
    const planned = await t.inside("reset", "--dry-run");
    expect(planned.stdout).toMatch(/^FILE +\/etc\/pf9\/kube\.env$/m);
    const { stdout, stderr, code } = await t.reset("-o", "json");
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ failures: [], equal: null });
    expect(result.removed).toContain("tree /etc/pf9/kube.d");
    expect(result.unknown).toEqual([expect.stringMatching(/^"\/etc\/docker\/daemon\.json" stays; /)]);
    const kept = result.kept.slice(1) as string;
    expect(kept).toMatch(/^var\/opt\/pf9-kept-\d{8}T\d{6}Z$/);
    const left = (await t.left()).map((name) => name.slice("root/".length));
    expect(left.filter((name) => !name.startsWith(`${kept}/`))).toEqual([
      ...["etc/docker", "etc/docker/daemon.json", "etc/modules-load.d", "etc/pf9/nodelet"],
      ...[
        "etc/pf9/nodelet/config.yaml",
        "etc/sysctl.d",
        "etc/systemd",
        "etc/systemd/system",
        "etc/tmpfiles.d",
      ],
      ...["opt", "opt/cni", "opt/cni/bin", "opt/cni/bin/theirs", "run", "run/xtables.lock"],
      ...["var", "var/lib", "var/log", "var/opt", kept],
    ]);
    expect(left).toContain(`${kept}/certs/ca.key`);
    expect((await t.reset()).stdout).toBe("Nothing to undo: this host is not a node.\n");
  });
});

describe("reset of a node that lost its journal and began another", () => {
  test("takes the node not for the host before init: all of it goes", async () => {
    await using t = await setUp();
    await t.remove(STATE);
    await t.remove(COPY);
    expect((await t.init()).code).toBe(0);
    const { stdout, stderr, code } = await t.reset("-o", "json");
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    expect(JSON.parse(stdout).removed).toContain("file /etc/systemd/system/pf9-kubelet.service");
    const left = (await t.left()).map((name) => name.slice("root".length));
    expect(left.filter((name) => /pf9|nodelet/.test(name) && !name.includes("-kept-"))).toEqual([]);
  });
});

describe("reset --keep-data", () => {
  test("puts the certificates aside, for root alone, and the host is equal but for them", async () => {
    await using t = await setUp();
    const key = await t.top.read("/root/etc/pf9/kube.d/certs/ca.key");
    const { stdout, stderr, code } = await t.reset("--keep-data=/backup/n1");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toMatch(/before init\.\nKept etcd's data and the certificates in \/backup\/n1\.\n$/);
    expect(await t.top.read("/root/backup/n1/certs/ca.key")).toBe(key as string);
    expect(await t.top.read("/root/backup/n1/encryption.yaml")).toContain("EncryptionConfiguration");
    expect([await t.top.mode("/root/backup/n1"), await t.top.mode("/root/backup/n1/certs/ca.key")]).toEqual([
      0o700, 0o600,
    ]);
    expect((await t.left()).filter((name) => !name.startsWith("root/backup"))).toEqual([]);
  });

  test("takes no directory that is undone itself, is in use, or is not absolute; and undoes nothing", async () => {
    await using t = await setUp();
    await t.write("/backup/full/file", "x");
    const before = await t.top.snapshot();
    for (const [dir, words] of [
      ["/etc/pf9/kept", '"/etc/pf9" is undone; expected a directory elsewhere'],
      ["/backup/full", "it is not empty; expected a new directory"],
      ["kept", "expected an absolute path"],
    ] as const) {
      const { stdout, stderr, code } = await t.reset(`--keep-data=${dir}`);
      expect({ stdout, code }).toEqual({ stdout: "", code: 2 });
      expect(stderr).toMatch(new RegExp(`^error: Cannot keep data in "${dir}"[:;] ${words}\n`));
    }
    expect(await t.top.snapshot()).toEqual(before);
  });
});
