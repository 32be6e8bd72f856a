import { describe, expect, test } from "bun:test";
import { mkdir, rm, symlink } from "node:fs/promises";
import { parse } from "yaml";
import { Desired } from "../../../src/daemon/desired.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Ctx } from "../../../src/ctx.ts";
import { ConfigError } from "../../../src/errors.ts";
import { paths } from "../../../src/paths.ts";
import { fakeMachine } from "../../fake/machine.ts";
import { tmpRoot } from "../../fake/root.ts";

const FILE = `${paths.configDir}/10-node.yaml`;

/** A desired state whose node is opened from one file, as the program does it. */
async function setUp(text = "mtu: 1400\n") {
  const root = await tmpRoot();
  await root.write(FILE, text);
  await mkdir(root.place(paths.stateDir), { recursive: true });
  const machine = fakeMachine(root.path);
  const opened: (string | undefined)[] = [];
  const trouble: { error?: Error } = {};
  const open = async (config?: string) => {
    opened.push(config);
    if (trouble.error) throw trouble.error;
    const path = config ?? root.place(FILE);
    const found = await Bun.file(path).text();
    return { ctx: { config: loadConfig({ files: [{ path, text: found }] }) } as Ctx, phases: [] };
  };
  const make = (version = "1.0") => new Desired(machine, { open, version, settleMs: 0 });
  const desired = make();
  return {
    root,
    trouble,
    opened,
    make,
    desired,
    /** A daemon before this one has started the phases with the configuration. */
    async inForce() {
      await desired.refresh();
      await desired.putInForce();
    },
    applied: root.place(paths.appliedConfig),
    mtu: (of = desired) => of.node?.ctx.config.mtu,
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
}

const PROBLEM = /^.*10-node\.yaml:1: mtu: .*$/;

describe("the configuration of the disk", () => {
  test("is read when it changed, and not before", async () => {
    await using t = await setUp();
    expect(await t.desired.refresh()).toEqual([]);
    expect([t.mtu(), t.desired.inForce, t.desired.workerConfig]).toEqual([1400, true, undefined]);
    await t.desired.refresh();
    expect(t.opened).toHaveLength(1);
    await t.root.write(FILE, "mtu: 1450\n");
    await t.desired.refresh();
    expect([t.mtu(), t.opened.length]).toEqual([1450, 2]);
  });

  test.each([
    `${paths.configDir}/20-more.yaml`,
    `${paths.sitePhases}/300-site`,
    paths.kubeOverride,
    paths.cluster,
    paths.installedIndex,
    `${paths.certs}/admin.crt`,
  ])("is read again when %s is new, changed or gone", async (path) => {
    await using t = await setUp();
    await t.desired.refresh();
    await t.root.write(path, "a");
    await t.desired.refresh();
    expect(t.opened).toHaveLength(2);
    await t.root.write(path, "other");
    await t.desired.refresh();
    expect(t.opened).toHaveLength(3);
    await rm(t.root.place(path));
    await t.desired.refresh();
    expect(t.opened).toHaveLength(4);
    await t.desired.refresh();
    expect(t.opened).toHaveLength(4);
  });

  test("is read again when the file behind a link changed", async () => {
    await using t = await setUp();
    await t.root.write("/mnt/site.yaml", "a");
    await symlink(t.root.place("/mnt/site.yaml"), t.root.place(`${paths.configDir}/site.yaml`));
    await t.desired.refresh();
    await t.root.write("/mnt/site.yaml", "other");
    await t.desired.refresh();
    expect(t.opened).toHaveLength(2);
  });

  test("a parent that is no directory, or a link to itself, is nothing to fall over", async () => {
    await using t = await setUp();
    await t.root.write("/etc/pf9/kube.d", "a file");
    await symlink("loop.yaml", t.root.place(`${paths.configDir}/loop.yaml`));
    await t.desired.refresh();
    expect(t.mtu()).toBe(1400);
    await t.desired.refresh();
    expect(t.opened).toHaveLength(1);
  });

  test("what is new in it is told key by key, until the phases were started with it", async () => {
    await using t = await setUp("mtu: 1400\nallowSwap: true\n");
    await t.inForce();
    await t.root.write(FILE, "mtu: 1450\nnodeName: n2\n");
    expect(await t.desired.refresh()).toEqual([
      "configuration changed: allowSwap: true -> false",
      "configuration changed: mtu: 1400 -> 1450",
      'configuration changed: nodeName: not set -> "n2"',
    ]);
    expect(t.desired.inForce).toBe(false);
    await t.desired.putInForce();
    expect(t.desired.inForce).toBe(true);
    expect(parse(await Bun.file(t.applied).text())).toMatchObject({ mtu: 1450, nodeName: "n2" });
    expect(await t.root.mode(paths.appliedConfig)).toBe(0o600);
  });

  test("the first one that is ever seen is the one in force, so that the first change is one", async () => {
    await using t = await setUp();
    expect(await t.desired.refresh()).toEqual([]);
    expect(parse(await Bun.file(t.applied).text())).toMatchObject({ mtu: 1400 });
    await t.root.write(FILE, "mtu: 1450 \n");
    expect(await t.desired.refresh()).toEqual(["configuration changed: mtu: 1400 -> 1450"]);
  });

  test("and is known also where it cannot be kept", async () => {
    await using t = await setUp();
    await mkdir(t.root.place(`${paths.stateDir}/.applied.yaml.nodelet.tmp`));
    expect(await t.desired.refresh()).toEqual([]);
    await t.root.write(FILE, "mtu: 1450 \n");
    expect(await t.desired.refresh()).toEqual(["configuration changed: mtu: 1400 -> 1450"]);
    await rm(t.root.place(`${paths.stateDir}/.applied.yaml.nodelet.tmp`), { recursive: true });
    await t.desired.putInForce();
    expect(parse(await Bun.file(t.applied).text())).toMatchObject({ mtu: 1450 });
  });

  test("a text that says the same in other words is no change", async () => {
    await using t = await setUp();
    await t.inForce();
    await t.root.write(FILE, "# why\nmtu: '1400'\n");
    expect(await t.desired.refresh()).toEqual([]);
    expect(t.desired.inForce).toBe(true);
  });

  test("values that may be secrets are not shown", async () => {
    await using t = await setUp();
    await t.inForce();
    await t.root.write(FILE, "mtu: 1400\nextraEnv: {TOKEN: hunter2}\n");
    const words = await t.desired.refresh();
    expect(words).toEqual(["configuration changed: extraEnv: (secret) -> (secret)"]);
  });

  test("a change that was made while no daemon ran is noticed", async () => {
    await using t = await setUp();
    await t.inForce();
    await t.root.write(FILE, "mtu: 1450\n");
    const next = t.make();
    expect(await next.refresh()).toEqual(["configuration changed: mtu: 1400 -> 1450"]);
    expect(next.inForce).toBe(false);
  });

  test("with another version of the program the phases are started again", async () => {
    await using t = await setUp();
    await t.inForce();
    const next = t.make("2.0");
    expect(await next.refresh()).toEqual(["nodelet is 2.0 now"]);
    expect(next.inForce).toBe(false);
  });

  test.each(["", "just words", "[1]", "{", "\0"])(
    "where it cannot be told what is in force (%p), the phases are started again",
    async (text) => {
      await using t = await setUp();
      await Bun.write(t.applied, text);
      expect(await t.desired.refresh()).toEqual(["what configuration is in force cannot be read"]);
      expect(t.desired.inForce).toBe(false);
    },
  );

  test("is in force also when a full disk does not let that be kept", async () => {
    await using t = await setUp();
    await t.inForce();
    await t.root.write(FILE, "mtu: 1450\n");
    await t.desired.refresh();
    await mkdir(t.root.place(`${paths.stateDir}/.applied.yaml.nodelet.tmp`));
    await expect(t.desired.putInForce()).rejects.toThrow(`Cannot write "${t.applied}": `);
    expect(t.desired.inForce).toBe(true);
    expect(parse(await Bun.file(t.applied).text())).toMatchObject({ mtu: 1400 });
  });
});

describe("a configuration that is not valid", () => {
  test("keeps the one before, says so once, and is told to be valid again", async () => {
    await using t = await setUp();
    await t.inForce();
    await t.root.write(FILE, "mtu: none\n");
    const [words = "", ...more] = await t.desired.refresh();
    expect(words).toStartWith("configuration is not valid, the one before stays in force: ");
    expect(more).toEqual([]);
    expect(t.desired.problems).toEqual([expect.stringMatching(PROBLEM)]);
    expect([t.mtu(), t.desired.inForce, t.desired.workerConfig]).toEqual([1400, true, t.applied]);
    expect(await t.desired.refresh()).toEqual([]);
    await t.desired.putInForce();
    expect(parse(await Bun.file(t.applied).text())).toMatchObject({ mtu: 1400 });
    await t.root.write(FILE, "mtu: 1450\n");
    expect(await t.desired.refresh()).toEqual([
      "configuration is valid again",
      "configuration changed: mtu: 1400 -> 1450",
    ]);
    expect([t.mtu(), t.desired.problems.length, t.desired.workerConfig]).toEqual([1450, 0, undefined]);
  });

  test("another thing that is wrong is told as well", async () => {
    await using t = await setUp();
    await t.desired.refresh();
    await t.root.write(FILE, "mtu: none\n");
    await t.desired.refresh();
    await t.root.write(FILE, "foo: 1\n");
    expect(await t.desired.refresh()).toEqual([expect.stringContaining('unknown key "foo"')]);
  });

  test("at the start: the last one that was in force is used, not that of the disk", async () => {
    await using t = await setUp();
    await t.inForce();
    await t.root.write(FILE, "mtu: none\n");
    const next = t.make();
    expect(await next.refresh()).toEqual([
      expect.stringContaining("configuration is not valid, the one before stays in force: "),
    ]);
    expect([t.mtu(next), next.workerConfig]).toEqual([1400, t.applied]);
    expect(t.opened.at(-1)).toBe(t.applied);
  });

  test("at the start, and none was ever in force: there is no node, until it is valid", async () => {
    await using t = await setUp("mtu: none\n");
    expect(await t.desired.refresh()).toEqual([
      expect.stringContaining("configuration is not valid, there is none to go on with: "),
    ]);
    expect(t.desired.node).toBeUndefined();
    await t.root.write(FILE, "mtu: 1400\n");
    expect(await t.desired.refresh()).toEqual(["configuration is valid again"]);
    expect(t.mtu()).toBe(1400);
  });

  test("what was wrong outside of the files is found mended without a change of theirs", async () => {
    await using t = await setUp();
    t.trouble.error = new ConfigError(["there is no default route"]);
    await t.desired.refresh();
    expect([t.desired.node, t.desired.problems]).toEqual([undefined, ["there is no default route"]]);
    delete t.trouble.error;
    expect(await t.desired.refresh()).toEqual(["configuration is valid again"]);
    expect(t.mtu()).toBe(1400);
  });

  test("an error that nobody thought of keeps the one before, too", async () => {
    await using t = await setUp();
    await t.desired.refresh();
    await t.root.write(FILE, "mtu: 1450\n");
    t.trouble.error = new Error("EIO: i/o error, read");
    expect(await t.desired.refresh()).toEqual([
      "configuration is not valid, the one before stays in force: EIO: i/o error, read",
    ]);
    expect(t.mtu()).toBe(1400);
  });
});
