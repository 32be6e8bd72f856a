import { describe, expect, test } from "bun:test";
import { fields } from "../../../src/config/fields.ts";
import { configFlags } from "../../../src/config/flags.ts";
import { kubeEnv } from "../../../src/config/kube-env.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { configJsonSchema, defaultConfigYaml } from "../../../src/config/render.ts";
import { closest, editDistance } from "../../../src/config/suggest.ts";

describe("the table", () => {
  test("has no name twice", () => {
    const names = Object.entries(fields).flatMap(([key, field]) => [key, ...field.aliases]);
    expect(new Set(names).size).toBe(names.length);
  });

  test("has defaults that pass their own schema", () => {
    for (const [key, field] of Object.entries(fields)) {
      if (field.default !== undefined)
        expect([key, field.schema.safeParse(field.default).success]).toEqual([key, true]);
    }
  });

  test("describes every key in one line without a final period", () => {
    for (const { about } of Object.values(fields)) expect(about).toMatch(/^\S[^\n]{0,110}[^.\n]$/);
  });
});

describe("defaultConfigYaml()", () => {
  test("loads back to the defaults", () => {
    expect(loadConfig({ files: [{ path: "d.yaml", text: defaultConfigYaml() }] })).toEqual(loadConfig());
  });

  test("names every key, those without a default in a comment", () => {
    const text = defaultConfigYaml();
    for (const [key, field] of Object.entries(fields)) {
      expect(text).toMatch(new RegExp(`^${field.default === undefined ? "# " : ""}${key}:`, "m"));
      expect(text).toContain(`# ${field.about}`);
    }
  });
});

describe("configJsonSchema()", () => {
  const { properties, ...schema } = configJsonSchema() as {
    properties: Record<string, Record<string, unknown>>;
  };

  test("knows every key and alias and refuses others", () => {
    expect(schema).toMatchObject({ type: "object", additionalProperties: false });
    const names = Object.entries(fields).flatMap(([key, field]) => [key, ...field.aliases]);
    expect(Object.keys(properties)).toEqual(names);
    expect(JSON.stringify(properties)).not.toContain("$schema");
  });

  test("says type, range, default, meaning and alias", () => {
    expect(properties.apiPort).toEqual({
      type: "integer",
      minimum: 1,
      maximum: 65535,
      description: "Port of the API (alias K8S_API_PORT)",
      default: 6443,
    });
    expect(properties.K8S_API_PORT?.description).toBe("Alias of apiPort");
    expect(properties.role).toMatchObject({ enum: ["master", "worker", "none"] });
    expect(properties.nodeTaints).toMatchObject({ items: { required: ["key", "effect"] } });
  });
});

describe("kubeEnv()", () => {
  test("has every alias once, sorted", () => {
    const lines = kubeEnv(loadConfig()).trimEnd().split("\n").slice(1);
    const aliases = Object.values(fields).flatMap((field) => field.aliases);
    expect(lines.map((line) => /^export ([A-Z0-9_]+)="/.exec(line)?.[1])).toEqual([...aliases].sort());
    expect(lines).toEqual([...lines].sort());
  });

  test("gives a shell the very values", () => {
    const config = loadConfig({
      flags: { apiServerFlags: ["--a=b,c", "--d=e!*;&|<>#~{}"], allowSwap: true, clusterId: "x" },
    });
    expect(inShell(kubeEnv(config))).toMatchObject({
      API_SERVER_FLAGS: "--a=b,c,--d=e!*;&|<>#~{}",
      ALLOW_SWAP: "true",
      CLUSTER_ID: "x",
      MASTER_IP: "",
      ETCD_DATA_DIR: "/var/opt/pf9/etcd/data",
    });
  });

  test("quotes what a grammar would have refused", () => {
    const hostile = "a\"b\\c$HOME`id`$(id)'d \\\\";
    expect(inShell(kubeEnv({ ...loadConfig(), clusterId: hostile })).CLUSTER_ID).toBe(hostile);
  });
});

function inShell(script: string): Record<string, string> {
  const { stdout, exitCode } = Bun.spawnSync(["sh", "-c", `${script}\nenv -0`], {
    env: { PATH: process.env.PATH ?? "" },
  });
  expect(exitCode).toBe(0);
  const pairs = stdout.toString().split("\0").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

test("configFlags() writes keys as commander wants them", () => {
  const flags = new Map<string, string>(configFlags().map(({ key, flags }) => [key, flags]));
  expect(flags.get("apiPort")).toBe("--api-port <number>");
  expect(flags.get("allowSwap")).toBe("--allow-swap [boolean]");
  expect(flags.get("extraSans")).toBe("--extra-sans <list>");
  expect(flags.get("nodeIp")).toBe("--node-ip <value>");
  expect(flags.has("kubeletCloudConfig")).toBe(false);
});

test.each([
  ["", "abc", 3],
  ["abc", "abc", 0],
  ["abcd", "abdc", 1],
  ["kitten", "sitting", 3],
])("editDistance(%p, %p) is %p", (a, b, distance) => {
  expect([editDistance(a, b), editDistance(b, a)]).toEqual([distance, distance]);
});

test("closest() ignores case and separators and gives nothing for a far word", () => {
  expect(closest("API_PROT", ["apiPort", "mtu"])).toBe("apiPort");
  expect(closest("somethingElse", ["apiPort", "mtu"])).toBeUndefined();
});
