import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import manifest from "../../package.json" with { type: "json" };
import { tmpRoot } from "../fake/root.ts";
import { hasStackTrace, NODELET, nodelet } from "./nodelet.ts";

const COMMANDS = [
  "init",
  "preflight",
  "explain",
  "reset",
  "phases list",
  "phases status",
  "phases start",
  "phases stop",
  "phases restart",
  "status",
  "etcd members",
  "etcd status",
  "node remove",
  "certs list",
  "kubeconfig",
  "config default",
  "config validate",
  "config schema",
  "version",
  "completion",
];

describe("version", () => {
  test("as a line", async () => {
    const { stdout, stderr, code } = await nodelet(["version"]);
    expect(stdout).toMatch(/^nodelet \d+\.\d+\.\d+ \([0-9a-f]{7,}\), Bun \d+\.\d+\.\d+\n$/);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  });

  test.each([
    ["json", JSON.parse as (text: string) => unknown],
    ["yaml", parse],
  ])("as %s", async (format, read) => {
    const { stdout, stderr, code } = await nodelet(["version", "-o", format]);
    expect(read(stdout)).toMatchObject({
      version: manifest.version,
      commit: expect.any(String),
      platform: expect.stringMatching(/^linux\//),
    });
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  });

  test("by the flag", async () => {
    expect(await nodelet(["--version"])).toEqual({ stdout: `${manifest.version}\n`, stderr: "", code: 0 });
  });

  test("under its second name it is the same program", async () => {
    const second = await nodelet(["version"], { program: NODELET.replace(/nodelet$/, "nodeletd") });
    expect(second).toEqual(await nodelet(["version"]));
  });
});

describe("help", () => {
  test("of the program lists every command", async () => {
    const { stdout, stderr, code } = await nodelet(["--help"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const missing = COMMANDS.map((command) => command.split(" ")[0] ?? "").filter(
      (name) => !stdout.includes(`\n  ${name} `),
    );
    expect(missing).toEqual([]);
  });

  test.each(COMMANDS)("of %s has an example that begins with it", async (command) => {
    const { stdout, stderr, code } = await nodelet([...command.split(" "), "--help"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toStartWith(`Usage: nodelet ${command}`);
    expect(stdout).toMatch(/Examples?:\n/);
    expect(stdout.slice(stdout.indexOf("Example"))).toContain(`nodelet ${command}`);
  });

  test("of reset says which masters are not reset, and names the flag for a cluster that is given up", async () => {
    const { stdout } = await nodelet(["reset", "--help"]);
    for (const words of ["--abandon-cluster ", "A master without which etcd has no majority"])
      expect(stdout).toContain(words);
  });

  test("of init names the keys of the configuration that are flags", async () => {
    const { stdout } = await nodelet(["init", "--help"]);
    for (const flag of ["--bundle <", "--node-ip <", "--api-port <number>", "--pod-cidr <", "--dry-run"])
      expect(stdout).toContain(flag);
  });
});

describe("a wrong command line", () => {
  test.each([
    [[], "error: Cannot tell what to do: no command was given\n  see nodelet --help\n"],
    [["inti"], "error: unknown command 'inti'\n(Did you mean init?)\n  see nodelet --help\n"],
    [
      ["init", "--bundel", "x"],
      "error: unknown option '--bundel'\n(Did you mean --bundle?)\n  see nodelet --help\n",
    ],
    [["phases", "stat"], "error: unknown command 'stat'\n(Did you mean start?)\n  see nodelet --help\n"],
    [
      ["version", "-o", "xml"],
      "error: option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are table, json, yaml.\n  see nodelet --help\n",
    ],
    [["completion"], "error: missing required argument 'shell'\n  see nodelet --help\n"],
    [["completion", "csh"], 'error: Cannot complete for the shell "csh"; expected bash, zsh or fish\n'],
    [
      ["version", "more"],
      "error: too many arguments for 'version'. Expected 0 arguments but got 1.\n  see nodelet --help\n",
    ],
    [
      ["preflight", "jion"],
      "error: command-argument value 'jion' is invalid for argument 'what'. Allowed choices are init, join.\n  see nodelet --help\n",
    ],
    [
      ["preflight", "--root", "/srv"],
      'error: Cannot check a host below "/srv"; expected --root / or none\n  what a host is, its kernel and its network, is not in its files\n',
    ],
    [
      ["explain", "PortInUsed"],
      'error: Cannot explain "PortInUsed": there is no such code; expected one of nodelet explain\n  did you mean PortInUse?\n',
    ],
    [["init", "--node-ip"], "error: option '--node-ip <value>' argument missing\n  see nodelet --help\n"],
  ])("%p is told in words, on stderr alone, with exit code 2", async (args, stderr) => {
    expect(await nodelet(args)).toEqual({ stdout: "", stderr, code: 2 });
  });

  test("a group without a command shows what there is", async () => {
    const { stdout, stderr, code } = await nodelet(["phases"]);
    expect({ stdout, code }).toEqual({ stdout: "", code: 2 });
    expect(stderr).toStartWith("Usage: nodelet phases ");
  });
});

describe("completion", () => {
  test("bash takes the script, and it completes commands, subcommands and flags", async () => {
    const { stdout: script, stderr, code } = await nodelet(["completion", "bash"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(Bun.spawnSync(["bash", "-n"], { stdin: Buffer.from(script) }).exitCode).toBe(0);
    const complete = (...words: string[]) => {
      const call = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nodelet; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const child = Bun.spawnSync(["bash", "-c", `${script}\n${call}`, "bash", ...words], { env: {} });
      return child.stdout.toString().trim().split("\n");
    };
    expect(complete("nodelet", "in")).toEqual(["init"]);
    expect(complete("nodelet", "phases", "sta")).toEqual(["status", "start"]);
    expect(complete("nodelet", "phases", "stop", "--til")).toEqual(["--till-phase"]);
    expect(complete("nodelet", "reset", "--ab")).toEqual(["--abandon-cluster"]);
    expect(complete("nodelet", "init", "--node-i")).toEqual(["--node-ip"]);
    expect(complete("nodelet", "none", "x")).toEqual([""]);
  });

  test.each(["zsh", "fish"])("there is one for %s", async (shell) => {
    const { stdout, stderr, code } = await nodelet(["completion", shell]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toContain("nodelet");
  });
});

test("what lies in the working directory is not read", async () => {
  await using root = await tmpRoot();
  await root.write("/boom.ts", 'throw new Error("loaded");');
  await root.write("/bunfig.toml", 'preload = ["./boom.ts"]\n');
  await root.write("/.env", "BUN_OPTIONS=--version\nNODELET_LEAK=1\n");
  await root.write("/package.json", "{ not json");
  await root.write("/tsconfig.json", "{ not json");
  expect(await nodelet(["version"], { cwd: root.path })).toEqual(await nodelet(["version"]));
});

test("all of a long output reaches the reader of a pipe", async () => {
  await using root = await tmpRoot();
  for (const name of ["ca.crt", "admin.crt", "admin.key"])
    await root.write(`/etc/pf9/kube.d/certs/${name}`, name.repeat(20_000));
  const words = [NODELET, "kubeconfig", "--root", root.path, "--server", "https://n1:6443"];
  const piped = (reader: string) =>
    Bun.spawnSync(["bash", "-c", `"$@" | ${reader}`, "bash", ...words], { env: {} });
  const whole = await nodelet(words.slice(1));
  expect(whole.code).toBe(0);
  expect(whole.stdout.length).toBeGreaterThan(500_000);
  expect(piped("cat").stdout.toString()).toBe(whole.stdout);
});

test("an error has no stack trace, with --verbose neither", async () => {
  await using root = await tmpRoot();
  await root.write("/etc/pf9/nodelet", "in the way");
  await root.write("/var", "in the way");
  const { stderr, code } = await nodelet(["init", "--root", root.path, "--bundle", root.path, "--verbose"]);
  expect([code === 0, hasStackTrace(stderr)]).toEqual([false, false]);
});
