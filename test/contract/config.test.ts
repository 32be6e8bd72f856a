import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { tmpRoot } from "../fake/root.ts";
import { nodelet } from "./nodelet.ts";

const BAD = `role: mastr
apiPortt: 6443
apiPort: 70000
`;

describe("config", () => {
  test("default is a file that validate takes", async () => {
    await using root = await tmpRoot();
    const { stdout, stderr, code } = await nodelet(["config", "default"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    await root.write("/config.yaml", stdout);
    const checked = await nodelet(["config", "validate", root.place("config.yaml")]);
    expect(checked).toEqual({ stdout: "Configuration is valid.\n", stderr: "", code: 0 });
  });

  test("schema is JSON that names every key", async () => {
    const { stdout, stderr, code } = await nodelet(["config", "schema"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const schema = JSON.parse(stdout) as { properties: Record<string, unknown> };
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(["role", "bundle", "apiPort", "kubeletFlags"]),
    );
  });

  test("validate tells every problem at once with file and line, and exits with 4", async () => {
    await using root = await tmpRoot();
    await root.write("/bad.yaml", BAD);
    const file = root.place("bad.yaml");
    const { stdout, stderr, code } = await nodelet(["config", "validate", file]);
    expect({ stdout, code }).toEqual({ stdout: "", code: 4 });
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toBe("error: Configuration is not valid: 3 problems");
    const places = lines.slice(1).map((line) => line.replace(file, "FILE"));
    expect(places.sort()).toEqual([
      expect.stringMatching(/^ {2}FILE:1: role: .*"mastr"/),
      expect.stringMatching(/^ {2}FILE:2: unknown key "apiPortt"; did you mean "apiPort"\?$/),
      expect.stringMatching(/^ {2}FILE:3: apiPort: .*70000/),
    ]);
  });

  test("validate reads the directory of a node, and shows the result as data", async () => {
    await using root = await tmpRoot();
    await root.write("/etc/pf9/nodelet/b.yaml", "K8S_API_PORT: 7443\n", 0o600);
    const { stdout, stderr, code } = await nodelet(["config", "validate", "--root", root.path, "-o", "yaml"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(parse(stdout)).toMatchObject({ apiPort: 7443, role: "master" });
  });

  test("validate takes kube_override.env of the node into account, over the files, and tells what is wrong with it", async () => {
    await using root = await tmpRoot();
    const validate = () => nodelet(["config", "validate", "--root", root.path, "-o", "yaml"]);
    await root.write("/etc/pf9/nodelet/b.yaml", "apiPort: 7443\n", 0o600);
    await root.write("/etc/pf9/kube_override.env", "export K8S_API_PORT='8443'\nSITE=x\n", 0o600);
    const { stdout, stderr, code } = await validate();
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(parse(stdout)).toMatchObject({ apiPort: 8443, extraEnv: { SITE: "x" } });
    await root.write("/etc/pf9/nodelet/b.yaml", "apiPort: x\n", 0o600);
    await root.write("/etc/pf9/kube_override.env", "SITE\n", 0o600);
    const place = root.place("/etc/pf9");
    expect(await validate()).toEqual({
      stdout: "",
      stderr: `error: Configuration is not valid: 2 problems
  ${place}/nodelet/b.yaml:1: apiPort: "x" is not accepted; expected a whole number from 1 to 65535
  ${place}/kube_override.env:1: "SITE" is not followed by "="; expected KEY=value
`,
      code: 4,
    });
  });

  test("a file that is not there is named", async () => {
    expect(await nodelet(["config", "validate", "/nowhere/c.yaml"])).toEqual({
      stdout: "",
      stderr:
        "error: Configuration is not valid: 1 problem\n  /nowhere/c.yaml: no such file or directory; expected a configuration file\n",
      code: 4,
    });
  });

  test("a bad value of a flag is named by the flag", async () => {
    await using root = await tmpRoot();
    const { stdout, stderr, code } = await nodelet(["init", "--root", root.path, "--api-port", "99999"]);
    expect({ stdout, code }).toEqual({ stdout: "", code: 4 });
    expect(stderr).toStartWith("error: Configuration is not valid: 1 problem\n  --api-port: ");
    expect(stderr).toContain("99999");
    expect(await root.snapshot()).toEqual({});
  });
});
