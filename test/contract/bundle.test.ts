import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, open, readdir, readFile, stat } from "node:fs/promises";
import { sha256 } from "../../src/host/hash.ts";
import { tmpRoot, type TmpRoot } from "../fake/root.ts";
import { bytesOf, type FakeStack, writeStack } from "../fake/stack.ts";
import { hasStackTrace, nodelet, type RunWith } from "./nodelet.ts";

let root: TmpRoot;
let stack: FakeStack;
/** Bytes that fill two chunks. */
const LARGE = bytesOf(9, 5 * 2 ** 20);
const fingerprint = () => /fingerprint (\S+)/.exec(keys)?.[1] ?? "none";
let keys = "";

beforeAll(async () => {
  root = await tmpRoot();
  stack = await writeStack(root.place("/stack"), { large: LARGE });
  keys = (await run("bundle", "keygen", "site")).stdout;
  const create = ["bundle", "create", "--stack", "stack", "--key", "site.key", "--level", "1"];
  await run(...create, "--out", "appliance");
  await run(...create, "--no-program", "--out", "alone");
});
afterAll(() => root[Symbol.asyncDispose]());

/** Runs the program in the directory of the test. */
const run = (...args: string[]) => runWith({}, ...args);
const runWith = (options: RunWith, ...args: string[]) => nodelet(args, { cwd: root.path, ...options });
/** The appliance itself. */
const appliance = (...args: string[]) => runWith({ program: root.place("/appliance") }, ...args);

/** A copy with one byte flipped. */
async function damaged(name: string, at: number): Promise<string> {
  const path = root.place("/damaged");
  await copyFile(root.place(`/${name}`), path);
  await using file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, at);
  return path;
}

async function inspected(path: string): Promise<Record<string, any>> {
  const { stdout, stderr, code } = await run("bundle", "inspect", "--bundle", path, "-o", "json");
  expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  return JSON.parse(stdout) as Record<string, any>;
}

describe("bundle keygen", () => {
  test("made a pair of keys, the private one for its owner alone", async () => {
    expect(keys).toBe(
      `${root.path}/site.key signs bundles: keep it where nobody else reads it\n${root.path}/site.pub lets hosts trust them; fingerprint ${fingerprint()}\n`,
    );
    expect([await root.mode("/site.key"), await root.mode("/site.pub")]).toEqual([0o600, 0o644]);
    expect(await root.read("/site.pub")).toMatch(/^ed25519:[A-Za-z0-9+/]{43}=\n$/);
  });

  test("never writes over a key", async () => {
    const before = [await root.read("/site.key"), await root.read("/site.pub")];
    expect(await run("bundle", "keygen", "site")).toEqual({
      stdout: "",
      stderr: `error: Cannot make the key "${root.path}/site.key": there is one already\n  choose another name\n`,
      code: 1,
    });
    expect([await root.read("/site.key"), await root.read("/site.pub")]).toEqual(before);
  });
});

describe("bundle create", () => {
  test("made an appliance that knows itself", async () => {
    const { stdout, stderr, code } = await appliance("bundle", "inspect", "--trusted-key", "site.pub");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toMatch(
      new RegExp(
        `^test-1.20.2 for linux/amd64, format 2, signed by ${fingerprint()}\n\\d+ MiB: program \\d+ MiB, payload 3 MiB \\(5 MiB unpacked\\)\nindex sha256 [0-9a-f]{64}\n7 image, 3 binary, 1 cni, 2 runtime, 1 licence\n$`,
      ),
    );
    expect((await stat(root.place("/appliance"))).mode & 0o777).toBe(0o755);
    expect((await appliance("version")).code).toBe(0);
  });

  test("tells what it made, as a line and as data", async () => {
    const args = ["bundle", "create", "--stack", "stack", "--no-program", "--out", "again"];
    const { stdout, stderr, code } = await run(...args);
    expect(stdout).toMatch(/^again: 3 MiB for 5 MiB of content, not signed, [\d.]+ m?s\n$/);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const { stdout: data } = await run(...args, "-o", "json");
    expect(JSON.parse(data)).toEqual({
      path: root.place("/again"),
      size: Bun.file(root.place("/again")).size,
      plain: expect.any(Number),
      signed: false,
      ms: expect.any(Number),
    });
  });

  test("takes over a payload, and makes the same file", async () => {
    const { code } = await run(
      "bundle",
      "create",
      "--bundle",
      "alone",
      "--key",
      "site.key",
      "--out",
      "joined",
    );
    expect(code).toBe(0);
    expect((await readFile(root.place("/joined"))).equals(await readFile(root.place("/appliance")))).toBe(
      true,
    );
  });

  test("does not make an appliance of a program that is none", async () => {
    expect(await run("bundle", "create", "--stack", "stack", "--program", "site.pub", "--out", "x")).toEqual({
      stdout: "",
      stderr: `error: Cannot take "${root.path}/site.pub" as the program: it is no executable for 64-bit Linux\n  name an executable with --program FILE\n`,
      code: 1,
    });
    expect(await root.read("/x")).toBeUndefined();
  });
});

describe("bundle list-images", () => {
  test("lists them as a table and as data", async () => {
    const { stdout, stderr, code } = await appliance("bundle", "list-images");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toStartWith(
      "IMAGE                                     ID            SIZE\nnodelet.local/pause:v1",
    );
    const { stdout: data } = await appliance("bundle", "list-images", "-o", "json");
    const [config = Buffer.alloc(0), ...layers] = stack.images.get("etcd") ?? [];
    expect(JSON.parse(data)).toContainEqual({
      reference: "nodelet.local/etcd:v1",
      imageId: `sha256:${sha256(config)}`,
      size: config.length + layers.reduce((sum, layer) => sum + layer.length, 0),
      layers: 3,
    });
  });
});

describe("bundle verify", () => {
  test("of an appliance by itself, whose maker is trusted", async () => {
    const { stdout, stderr, code } = await appliance("bundle", "verify", "--trusted-key", "site.pub");
    expect(stdout).toMatch(
      new RegExp(
        `^test-1.20.2: all \\d+ MiB are as they were made \\(.* .*/s\\)\nsigned by ${fingerprint()}\n$`,
      ),
    );
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  });

  test("says plainly that nobody trusted has signed it, and fails unless that was allowed", async () => {
    const { stdout, stderr, code } = await run("bundle", "verify", "--bundle", "alone");
    expect(stdout).toEndWith(
      `\nnot signed by a trusted key, but by ${fingerprint()}: name the maker's key with --trusted-key FILE, or be content with --insecure-bundle\n`,
    );
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    const insecure = await run("bundle", "verify", "--bundle", "alone", "--insecure-bundle");
    expect(insecure.stdout).toEndWith(`\nnot signed by a trusted key, but by ${fingerprint()}\n`);
    expect(insecure.code).toBe(0);
    const unsigned = await run("bundle", "verify", "--bundle", "again", "-o", "json");
    expect(JSON.parse(unsigned.stdout)).toMatchObject({
      good: false,
      signatures: [],
      signedBy: null,
      missing: [],
      damage: [],
    });
    expect(unsigned.code).toBe(1);
  });

  test("names what is damaged, and the command that it shows repairs just that", async () => {
    const { programSize, payloadSize, entries } = await inspected("appliance");
    const path = await damaged("appliance", programSize + payloadSize - 10);
    const args = ["bundle", "verify", "--bundle", "damaged", "--trusted-key", "site.pub"];
    const { stdout, stderr, code } = await run(...args);
    expect({ stderr, code }).toEqual({ stderr: "", code: 1 });
    expect(stdout).toMatch(
      new RegExp(
        `^test-1.20.2: damaged \\(.*\\)\nbytes \\d+-\\d+ are damaged: docker.io; copy them again from a good one:\n  dd if=GOOD of=damaged .*\nsigned by `,
      ),
    );
    const { damage } = JSON.parse((await run(...args, "-o", "json")).stdout) as {
      damage: { first: number; last: number; parts: string[]; repair: string }[];
    };
    const last = programSize + payloadSize - 1;
    const { stored } = entries.find(({ name }: { name: string }) => name === "docker.io");
    expect(damage).toEqual([
      { first: last - stored + 1, last, parts: ["docker.io"], repair: expect.any(String) },
    ]);
    const dd = (damage[0]?.repair ?? "").replace("if=GOOD", "if=appliance").split(" ");
    const child = Bun.spawn(dd, { cwd: root.path, stderr: "pipe" });
    // Two blocks, for that is where the stretch lies at most; not all of the file.
    expect(await new Response(child.stderr).text()).toMatch(/^[0-2]\+[01] records in\n/);
    expect((await run(...args)).code).toBe(0);
    expect((await readFile(path)).equals(await readFile(root.place("/appliance")))).toBe(true);
  });

  test("of one that was streamed says what it has not got, and finds it good", async () => {
    const { indexSha256, entries } = await inspected("appliance");
    const { sha256: digest } = entries.find(({ name }: { name: string }) => name === "docker.io");
    await copyFile(root.place("/appliance"), root.place("/streamed"));
    await root.write(
      "/streamed.gaps",
      JSON.stringify({ index: indexSha256, program: true, blobs: [digest] }),
    );
    const args = ["bundle", "verify", "--bundle", "streamed", "--trusted-key", "site.pub"];
    const { stdout, stderr, code } = await run(...args);
    expect(stdout).toMatch(
      /^test-1.20.2: all \d+ MiB are as they were made \(.*\)\nstreamed, without the program, docker.io\nsigned by /,
    );
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const extract = ["bundle", "extract", "docker.io", "--bundle", "streamed", "--to", "out"];
    expect(await run(...extract)).toEqual({
      stdout: "",
      stderr:
        'error: Cannot read docker.io: the bundle "streamed" was streamed without it\n  name a whole bundle with --bundle FILE\n',
      code: 1,
    });
  });

  test("of a damaged payload leaves inspect what it is", async () => {
    const { programSize } = await inspected("alone");
    await damaged("alone", programSize + 5);
    expect((await inspected("damaged")).entries).toEqual((await inspected("alone")).entries);
  });
});

describe("bundle extract", () => {
  test("writes what is named", async () => {
    const { stdout, stderr, code } = await appliance("bundle", "extract", "large", "kubectl", "--to", "some");
    expect({ stdout, stderr, code }).toEqual({
      stdout: `2 files, 5 MiB, are in ${root.path}/some\n`,
      stderr: "",
      code: 0,
    });
    expect((await readFile(root.place("/some/bin/large"))).equals(LARGE)).toBe(true);
    expect(await root.mode("/some/bin/kubectl")).toBe(0o755);
    expect(await root.read("/some/index.json")).toBeUndefined();
  });

  test("writes a stack directory that makes the same bundle", async () => {
    const { stdout, code } = await run("bundle", "extract", "--bundle", "alone", "--to", "all", "-o", "json");
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { files: unknown[] }).files.length).toBe(stack.index.entries.length);
    const { code: made } = await run(
      "bundle",
      "create",
      "--stack",
      "all",
      "--no-program",
      "--key",
      "site.key",
      "--level",
      "1",
      "--out",
      "from-all",
    );
    expect(made).toBe(0);
    expect((await readFile(root.place("/from-all"))).equals(await readFile(root.place("/alone")))).toBe(true);
  });

  test("refuses a name that is not there, and writes nothing", async () => {
    expect(await run("bundle", "extract", "kubelt", "--bundle", "alone", "--to", "none")).toEqual({
      stdout: "",
      stderr:
        'error: Cannot extract "kubelt": the bundle "test-1.20.2" has no such entry\n  nodelet bundle inspect -o json lists them\n',
      code: 1,
    });
    expect(await readdir(root.path)).not.toContain("none");
  });
});

describe("bundle sign", () => {
  test("signs, and both signatures count", async () => {
    await copyFile(root.place("/alone"), root.place("/signed"));
    const second = /fingerprint (\S+)/.exec((await run("bundle", "keygen", "second")).stdout)?.[1] ?? "none";
    expect(await run("bundle", "sign", "--bundle", "signed", "--key", "second.key")).toEqual({
      stdout: `signed is signed by ${second}\n`,
      stderr: "",
      code: 0,
    });
    for (const [key, signer] of [
      ["site.pub", fingerprint()],
      ["second.pub", second],
    ] as const) {
      const { stdout, code } = await run(
        "bundle",
        "verify",
        "--bundle",
        "signed",
        "--trusted-key",
        key,
        "-o",
        "json",
      );
      expect([code, JSON.parse(stdout)]).toEqual([
        0,
        expect.objectContaining({ signedBy: signer, good: true }),
      ]);
    }
  });

  test("with a public key is refused", async () => {
    expect(await run("bundle", "sign", "--bundle", "alone", "--key", "site.pub")).toEqual({
      stdout: "",
      stderr:
        'error: Cannot sign with the key in "site.pub": it is no private ed25519 key\n  make one: nodelet bundle keygen NAME\n',
      code: 1,
    });
  });
});

describe("a wrong command line", () => {
  const WHAT =
    "Cannot tell what goes into the bundle; expected --stack DIR, or --bundle FILE to take its payload";
  test.each([
    [["create"], "required option '--out <file>' not specified\n  see nodelet --help"],
    [["create", "--out", "x"], WHAT],
    [["create", "--out", "x", "--stack", "stack", "--bundle", "alone"], WHAT],
    [
      ["create", "--out", "x", "--stack", "stack", "--level", "23"],
      'Cannot compress with level "23"; expected 1 to 22',
    ],
    [["extract"], "required option '--to <dir>' not specified\n  see nodelet --help"],
    [["sign", "--bundle", "alone"], "required option '--key <file>' not specified\n  see nodelet --help"],
    [["keygen"], "missing required argument 'name'\n  see nodelet --help"],
    [["inspekt"], "unknown command 'inspekt'\n(Did you mean inspect?)\n  see nodelet --help"],
  ])("bundle %p has exit code 2", async (args, message) => {
    expect(await run("bundle", ...args)).toEqual({ stdout: "", stderr: `error: ${message}\n`, code: 2 });
    expect(await root.read("/x")).toBeUndefined();
  });

  test.each(["inspect", "list-images", "verify", "create", "extract", "sign", "keygen"])(
    "help of bundle %s has an example",
    async (command) => {
      const { stdout, code } = await run("bundle", command, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`\nExample:\n  nodelet bundle ${command}`);
    },
  );
});

describe("what is no bundle", () => {
  test.each([
    [
      "this program",
      [],
      "Cannot find a bundle in ",
      "name a bundle with --bundle FILE, or make one: nodelet bundle create",
    ],
    [
      "a file that is not there",
      ["--bundle", "nowhere"],
      'Cannot open the bundle "nowhere": ENOENT: ',
      "name it with --bundle FILE",
    ],
    [
      "a directory",
      ["--bundle", "stack"],
      'Cannot open the bundle "stack": it is no file',
      "name it with --bundle FILE",
    ],
    [
      "a text",
      ["--bundle", "site.pub"],
      'Cannot use the bundle "site.pub": it does not end as a bundle does',
      "copy it again, and compare its size with the original's",
    ],
  ])("%s is told by every command that reads one", async (_, args, message, hint) => {
    for (const command of [["inspect"], ["list-images"], ["verify"], ["extract", "--to", "none"]]) {
      const { stdout, stderr, code } = await run("bundle", ...command, ...args);
      expect({ stdout, code }).toEqual({ stdout: "", code: 1 });
      expect(stderr).toStartWith(`error: ${message}`);
      expect(stderr).toEndWith(`\n  ${hint}\n`);
      expect(hasStackTrace(stderr)).toBe(false);
    }
    expect(await readdir(root.path)).not.toContain("none");
  });
});

describe("init with a bundle that is not as it was made", () => {
  test("refuses before any change when its end is damaged, and when nobody trusted has signed it", async () => {
    const { size, programSize, payloadSize } = await inspected("appliance");
    const init = (program: string) =>
      runWith({ program }, "init", "--node-ip", "192.0.2.1", "--root", root.place("/host"));
    const cases: [number, RegExp][] = [
      [
        programSize + payloadSize + 20,
        /^error: Cannot use the bundle ".*damaged": its index \(bytes \d+-\d+\) is damaged\n {2}copy it again\n$/,
      ],
      [size - 100, /^error: Cannot use the bundle ".*damaged": its trailer \(bytes \d+-\d+\) is damaged\n/],
    ];
    for (const [at, message] of cases) {
      const { stdout, stderr, code } = await init(await damaged("appliance", at));
      expect({ stdout, code }).toEqual({ stdout: "", code: 1 });
      expect(stderr).toMatch(message);
    }
    const { stderr, code } = await init(root.place("/appliance"));
    expect(code).toBe(1);
    expect(stderr).toContain(`: it is signed by ${fingerprint()}; trusted keys: `);
    expect(await readdir(root.path)).not.toContain("host");
  });

  test("preflight names damage of the payload, and of the program that runs", async () => {
    const { programSize } = await inspected("appliance");
    // The second one: flags in the program's header, which this processor has no use for.
    for (const [at, part] of [
      [programSize + 5, "pause"],
      [0x30, "program"],
    ] as const) {
      const program = await damaged("appliance", at);
      const { stdout } = await runWith(
        { program },
        "preflight",
        "--node-ip",
        "192.0.2.1",
        "--trusted-key",
        root.place("/site.pub"),
        "-o",
        "json",
      );
      const { failures } = JSON.parse(stdout) as { failures: { code: string; message: string }[] };
      expect(failures.find((one) => one.code === "BundleDamaged")?.message).toMatch(
        new RegExp(`^Bundle ".*/damaged" is damaged in bytes \\d+-\\d+, which are part of ${part}`),
      );
    }
  });
});
