import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { tmpRoot } from "../fake/root.ts";
import { hasStackTrace, nodelet } from "./nodelet.ts";

/** What a node has, and this machine must not have after a refusal. */
const TRACES = ["/etc/pf9", "/opt/pf9", "/var/opt/pf9", "/var/log/pf9"].filter((path) => !existsSync(path));

afterEach(() => expect(TRACES.filter((path) => existsSync(path))).toEqual([]));

const JOIN = ["join", "10.0.0.5"];
const NO_TOKEN = "Cannot join: no token was given; expected --token-file FILE, or - for standard input";
const NO_FILE =
  "Cannot read the token file \"/nowhere/token\": ENOENT: no such file or directory, open '/nowhere/token'";
const FILE_HINT =
  "write the line that nodelet token create printed into it, or give it on standard input with --token-file -";
const BAD_TOKEN =
  "Cannot read the token: it has 7 characters; expected ID.SECRET.PIN with 6, 27 and 43 of them";
const COPY = "copy the whole line that nodelet token create printed";
const ON_ARGV =
  "warning: a token on the command line is seen by everybody on this host; better --token-file\n";

describe("a join that cannot begin is refused in words, on stderr alone", () => {
  test.each<[string, string[], number, string]>([
    [
      "without an address",
      ["join"],
      2,
      "error: Cannot join: no address was given; expected that of a master, for example 10.0.0.5\n  on a master nodelet token create prints the whole command\n",
    ],
    [
      "at what is no address",
      ["join", "10.0.0.5:70000", "--token-file", "/nowhere/token"],
      2,
      'error: Cannot join at "10.0.0.5:70000"; expected the address of a master, for example 10.0.0.5 or 10.0.0.5:6442\n',
    ],
    ["without a token", JOIN, 2, `error: ${NO_TOKEN}\n`],
    [
      "with two tokens",
      [...JOIN, "--token", "hunter2", "--token-file", "/nowhere/token"],
      2,
      "error: Cannot take two tokens; expected --token-file or --token\n",
    ],
    [
      "with a file that is not there",
      [...JOIN, "--token-file", "/nowhere/token"],
      1,
      `error: ${NO_FILE}\n  ${FILE_HINT}\n`,
    ],
    [
      "with a token that is none",
      [...JOIN, "--token", "hunter2"],
      1,
      `${ON_ARGV}error: ${BAD_TOKEN}\n  ${COPY}\n`,
    ],
    [
      "below another root",
      [...JOIN, "--root", "/srv", "--token", "hunter2"],
      2,
      'error: Cannot join below "/srv"; expected --root / or none\n',
    ],
    [
      "with two addresses",
      [...JOIN, "10.0.0.6"],
      2,
      "error: too many arguments for 'join'. Expected 1 argument but got 2.\n  see nodelet --help\n",
    ],
  ])("%s", async (_how, args, code, stderr) => {
    const seen = await nodelet(args);
    expect(seen).toEqual({ stdout: "", stderr, code });
    expect(seen.stderr.replace("--token", "")).not.toContain("hunter2");
  });

  test("with something else on standard input", async () => {
    const before = ["sh", "-c", 'echo hunter2 | exec "$@"', "sh"];
    expect(await nodelet([...JOIN, "--token-file", "-"], { before })).toEqual({
      stdout: "",
      stderr: `error: ${BAD_TOKEN}\n  ${COPY}\n`,
      code: 1,
    });
  });

  test("where nobody answers", async () => {
    const token = `abc123.${"s".repeat(27)}.${"p".repeat(43)}`;
    const before = ["sh", "-c", `echo ${token} | exec "$@"`, "sh"];
    const { stdout, stderr, code } = await nodelet(["join", "127.0.0.1:1", "--token-file", "-"], { before });
    expect({ stdout, code }).toEqual({ stdout: "", code: 1 });
    expect(stderr).toStartWith("error: Cannot reach a master at 127.0.0.1:1: ");
    expect(hasStackTrace(stderr)).toBe(false);
    expect(stderr).not.toContain("sss");
  });
});

describe("a token is not made", () => {
  const create = (...more: string[]) => ["token", "create", "--role", "worker", ...more];
  test.each<[string, string[], string]>([
    [
      "without a role",
      ["token", "create"],
      "required option '--role <role>' not specified\n  see nodelet --help",
    ],
    [
      "for a role that there is not",
      ["token", "create", "--role", "boss"],
      "option '--role <role>' argument 'boss' is invalid. Allowed choices are master, worker.\n  see nodelet --help",
    ],
    [
      "for no duration",
      create("--ttl", "5"),
      'Cannot read --ttl "5"; expected a duration, for example 90m, 24h or 1h30m',
    ],
    ["for no time at all", create("--ttl", "0h"), 'Cannot use --ttl "0h"; expected more than nothing'],
    [
      "for longer than a year",
      create("--ttl", "9000h"),
      "Cannot make a token for 9000h; expected at most 8760h",
    ],
    [
      "for nobody",
      create("--uses", "0"),
      'Cannot make a token for "0" nodes; expected --uses from 1 to 1000',
    ],
    [
      "for too many",
      create("--uses", "1001"),
      'Cannot make a token for "1001" nodes; expected --uses from 1 to 1000',
    ],
    [
      "for half a node",
      create("--uses", "1.5"),
      'Cannot make a token for "1.5" nodes; expected --uses from 1 to 1000',
    ],
  ])("%s", async (_how, args, words) => {
    expect(await nodelet(args)).toEqual({ stdout: "", stderr: `error: ${words}\n`, code: 2 });
  });
});

describe("tokens are a master's", () => {
  const NONE =
    "error: Cannot work with tokens here: this host is no node\n  do it on a master of the cluster\n";
  test.each(["create --role worker", "list", "revoke abc123"])("token %s elsewhere", async (words) => {
    await using root = await tmpRoot();
    const seen = await nodelet(["token", ...words.split(" "), "--root", root.path]);
    expect(seen).toEqual({ stdout: "", stderr: NONE, code: 2 });
    expect(await root.snapshot()).toEqual({});
  });

  test("what may be a secret is not repeated when it is no id", async () => {
    expect(await nodelet(["token", "revoke", "SecretSecret"])).toEqual({
      stdout: "",
      stderr:
        "error: Cannot revoke that: it is no id of a token; expected 6 letters and digits\n  see nodelet token list\n",
      code: 2,
    });
  });
});

test("a host that is joining is no first master, and its files stay", async () => {
  await using root = await tmpRoot();
  const record = { clusterId: "c-1", role: "worker", nodeName: "w1", nodeIp: "10.0.0.6", joined: true };
  await root.write("/var/opt/pf9/nodelet/cluster.json", JSON.stringify(record));
  const before = await root.snapshot();
  const { stdout, stderr, code } = await nodelet([
    "init",
    "--dry-run",
    "--root",
    root.path,
    "--node-ip",
    "10.0.0.6",
  ]);
  expect({ stdout, stderr, code }).toEqual({
    stdout: "",
    stderr:
      "error: Cannot make this host a first master: it is joining, or has joined, another cluster\n  go on with nodelet join, or undo it with nodelet reset\n",
    code: 2,
  });
  expect(await root.snapshot()).toEqual(before);
});
