import { describe, expect, test } from "bun:test";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kubeEnv, kubeVariables } from "../../../src/config/kube-env.ts";
import { loadConfig, readOverrideFile } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/errors.ts";
import { temporaryDirectory } from "./help.ts";

const override = (text: string) => ({ path: "o.env", text });

/** The problems that an override is refused with, beside a file. */
function problemsOf(text: string, file = ""): readonly string[] {
  try {
    loadConfig({ files: [{ path: "c.yaml", text: file }], override: override(text) });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("kube_override.env", () => {
  test("sets keys of the configuration by their aliases, over every file and flag", () => {
    const config = loadConfig({
      files: [{ path: "c.yaml", text: "maxNatConn: 5000\napiPort: 1001\nmtu: 1400" }],
      flags: { apiPort: "1002" },
      override: override("MAX_NAT_CONN=70000\nexport K8S_API_PORT='1003'\nALLOW_SWAP=True\n"),
    });
    expect(config).toMatchObject({ maxNatConn: 70000, apiPort: 1003, mtu: 1400, allowSwap: true });
    expect(config.extraEnv).toEqual({});
  });

  test("adds any other variable to kube.env", () => {
    const config = loadConfig({
      files: [{ path: "c.yaml", text: "extraEnv: {ZONE: a, RACK: '1'}" }],
      override: override("PUBLIC_IP=192.0.2.1\nZONE=b\nEMPTY=\n"),
    });
    expect(config.extraEnv).toEqual({ ZONE: "b", RACK: "1", PUBLIC_IP: "192.0.2.1", EMPTY: "" });
    expect(kubeVariables(config)).toMatchObject({ ...config.extraEnv, ROLE: "master", MASTER_IP: "" });
    const lines = kubeEnv(config).split("\n").slice(1, -1);
    expect(lines).toEqual([...lines].sort());
    expect(lines).toContain('export PUBLIC_IP="192.0.2.1"');
  });

  test.each([
    ["plain", "plain"],
    ["a=b,c:/d+%@-_.", "a=b,c:/d+%@-_."],
    ["'a \"b\" $c \\d'", 'a "b" $c \\d'],
    ['"a \\"b\\" \\$c \\`d\\` \\\\ \\n #e"', 'a "b" $c `d` \\ \\n #e'],
    ["'a b'  # why", "a b"],
    ["x # why", "x"],
    ["x#y", undefined],
    ["", ""],
    ['""', ""],
  ])("reads the value %s as a shell does", (written, value) => {
    const text = `# note\n\n  export\tSITE=${written}`;
    if (value === undefined) {
      expect(problemsOf(text)).toHaveLength(1);
      return;
    }
    expect(loadConfig({ override: override(text) }).extraEnv).toEqual({ SITE: value });
    const shell = Bun.spawnSync(["sh", "-c", `${text}\nprintf %s "$SITE"`]);
    expect(shell.stdout.toString()).toBe(value);
  });

  test("takes back what kube.env says, whatever is in it", () => {
    const hostile = "a\"b\\c$HOME`id`$(id)'d \\\\ # x";
    const config = loadConfig({ flags: { extraEnv: { SITE: hostile }, apiPort: 7443 } });
    expect(loadConfig({ override: override(kubeEnv(config)) })).toEqual(config);
  });

  test("leaves a key without a value alone", () => {
    expect(loadConfig({ flags: { mtu: 1400 }, override: override("MTU_SIZE=\nROLE=''") })).toMatchObject({
      mtu: 1400,
      role: "master",
    });
  });

  test.each<[text: string, problem: string]>([
    ["SITE", 'o.env:1: "SITE" is not followed by "="; expected KEY=value'],
    ["export SITE secret", 'o.env:1: "SITE" is not followed by "="; expected KEY=value'],
    ["SITE = x", 'o.env:1: "SITE" is not followed by "="; expected KEY=value'],
    ["=x", "o.env:1: \"\" is not the name of a variable; expected capital letters, digits and '_'"],
    [
      "\napiPort=1",
      "o.env:2: \"apiPort\" is not the name of a variable; expected capital letters, digits and '_'",
    ],
    ["1X=1", "o.env:1: \"1X\" is not the name of a variable; expected capital letters, digits and '_'"],
    [
      "SITE=a b",
      "o.env:1: SITE: the value has a space or a quote in it; expected quotes around the whole value",
    ],
    [
      "SITE=a'b'",
      "o.env:1: SITE: the value has a space or a quote in it; expected quotes around the whole value",
    ],
    [
      "SITE='a",
      "o.env:1: SITE: the value does not end with its quote; expected one ' at its end and nothing behind it",
    ],
    [
      'SITE="a"; id',
      'o.env:1: SITE: the value does not end with its quote; expected one " at its end and nothing behind it',
    ],
    [
      "SITE=$(id)",
      "o.env:1: SITE: the value has a character that a shell acts on; expected single quotes around it",
    ],
    [
      'SITE="$HOME"',
      "o.env:1: SITE: the value has a $ or ` that a shell expands; expected \\ before it, or single quotes",
    ],
    [
      'SITE="a\\\\`id`"',
      "o.env:1: SITE: the value has a $ or ` that a shell expands; expected \\ before it, or single quotes",
    ],
    ["SITE=a\r", "o.env:1: the line ends with a carriage return; expected a line feed alone"],
    ["SITE='a\u001bb'", "o.env:1: the line has a control character; expected plain text"],
    [`SITE=${"x".repeat(8193)}`, "o.env:1: SITE: value has 8193 characters; expected at most 8192"],
    ["A=1\nA=2", "o.env:2: A: given already as A; expected one value"],
    [
      "CONTAINER_LOG_MAX_FILES=3\nDOCKER_LOG_MAX_FILE=4",
      "o.env:2: DOCKER_LOG_MAX_FILE: given already as CONTAINER_LOG_MAX_FILES; expected one value",
    ],
    [
      "MAX_NAT_CONN=12",
      "o.env:1: MAX_NAT_CONN: 12 is not accepted; expected a whole number from 1024 to 2147483647",
    ],
  ])("refuses %j", (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test.each(["PATH", "LD_PRELOAD", "BUN_INSPECT", "BASH_ENV", "ENV", "IFS", "PYTHONPATH", "NODE_OPTIONS"])(
    "refuses %s, which decides what programs run, here and in extraEnv",
    (name) => {
      const problem = `"${name}" decides which programs run; expected a variable that programs only read`;
      expect(problemsOf(`${name}=/tmp`)).toEqual([`o.env:1: ${problem}`]);
      expect(problemsOf("", `extraEnv: {${name}: /tmp}`)).toEqual([`c.yaml:1: extraEnv.${name}: ${problem}`]);
    },
  );

  test("is told with the problems of the files, and counts where keys do not fit together", () => {
    expect(problemsOf("K8S_API_PORT=2379\nSITE", "foo: 1\nextraEnv: {MTU_SIZE: '1'}")).toEqual([
      'c.yaml:1: unknown key "foo"; expected one that "nodelet config default" lists',
      'o.env:2: "SITE" is not followed by "="; expected KEY=value',
      "o.env:1: K8S_API_PORT: apiPort and etcdClientPort are both 2379; expected different ports",
      'c.yaml:2: extraEnv: MTU_SIZE is the key "mtu"; expected it there',
    ]);
  });
});

describe("readOverrideFile()", () => {
  test("gives nothing when there is none", async () => {
    await using dir = await temporaryDirectory();
    expect(await readOverrideFile(join(dir.path, "o.env"))).toBeUndefined();
  });

  test("names a file that others could have written, or that is none", async () => {
    await using dir = await temporaryDirectory();
    const [open, folder] = [join(dir.path, "open.env"), join(dir.path, "folder.env")];
    await writeFile(open, "A=1\n");
    await chmod(open, 0o666);
    await mkdir(folder);
    expect(await readOverrideFile(open, { uid: 0 })).toMatchObject({
      text: "A=1\n",
      problems: expect.arrayContaining([
        `${open}: has mode 0666, so others can write it; expected no write permission for them`,
      ]),
    });
    expect((await readOverrideFile(folder))?.problems).toEqual([
      `${folder}: not a regular file; expected lines KEY=value`,
    ]);
  });
});
