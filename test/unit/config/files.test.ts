import { describe, expect, test } from "bun:test";
import { chmod, chown, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../../src/errors.ts";
import { readConfigDir } from "../../../src/config/load.ts";
import { temporaryDirectory } from "./help.ts";

const isRoot = process.getuid?.() === 0;

async function refusal(promise: Promise<unknown>): Promise<readonly string[]> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConfigError)) throw new Error("expected a ConfigError", { cause: error });
  return error.problems;
}

describe("readConfigDir()", () => {
  test("reads the YAML files of a directory in alphabetical order and nothing else", async () => {
    await using dir = await temporaryDirectory();
    const names = ["b.yml", "a.yaml", "10.yaml", "c.json", ".hidden.yaml", "a.yaml~"];
    for (const name of names) await writeFile(join(dir.path, name), `# ${name}`, { mode: 0o600 });
    const sources = await readConfigDir(dir.path);
    expect(sources.map(({ text }) => text)).toEqual(["# 10.yaml", "# a.yaml", "# b.yml"]);
    expect(sources.flatMap(({ problems }) => problems ?? [])).toEqual([]);
  });

  test("reads one file, whatever its name", async () => {
    await using dir = await temporaryDirectory();
    const path = join(dir.path, "node.conf");
    await writeFile(path, "role: none", { mode: 0o600 });
    expect(await readConfigDir(path, { mustExist: true })).toEqual([
      { path, text: "role: none", problems: [] },
    ]);
  });

  test("gives nothing when there is nothing, and an error when the operator named it", async () => {
    await using dir = await temporaryDirectory();
    const missing = join(dir.path, "missing");
    expect(await readConfigDir(missing)).toEqual([]);
    expect(await readConfigDir(dir.path)).toEqual([]);
    expect(await refusal(readConfigDir(missing, { mustExist: true }))).toEqual([
      `${missing}: no such file or directory; expected a configuration file`,
    ]);
    expect(await refusal(readConfigDir(dir.path, { mustExist: true }))).toEqual([
      `${dir.path}: no file found; expected at least one *.yaml or *.yml`,
    ]);
  });

  test("does not hang on or fail with what is no YAML text, and names it", async () => {
    await using dir = await temporaryDirectory();
    await mkdir(join(dir.path, "a.yaml"));
    await symlink("nowhere", join(dir.path, "b.yaml"));
    await writeFile(join(dir.path, "c.yaml"), new Uint8Array([0xff, 0xfe, 0]), { mode: 0o600 });
    await writeFile(join(dir.path, "d.yaml"), "#".repeat(1024 * 1024 + 1), { mode: 0o600 });
    await Bun.spawn(["mkfifo", join(dir.path, "e.yaml")]).exited;
    const sources = await readConfigDir(dir.path);
    expect(sources.flatMap(({ problems }) => problems ?? [])).toEqual([
      `${dir.path}/a.yaml: not a regular file; expected YAML text`,
      `${dir.path}/b.yaml: not a regular file; expected YAML text`,
      `${dir.path}/c.yaml: not UTF-8; expected YAML text`,
      `${dir.path}/d.yaml: has 1048577 bytes; expected at most 1048576`,
      `${dir.path}/e.yaml: not a regular file; expected YAML text`,
    ]);
  });

  test.skipIf(!isRoot)("as root, names files and directories that others could have written", async () => {
    await using dir = await temporaryDirectory();
    const [open, foreign] = [join(dir.path, "a.yaml"), join(dir.path, "b.yaml")];
    await writeFile(open, "");
    await writeFile(foreign, "");
    await chmod(open, 0o664);
    await chown(foreign, 1234, 0);
    await chmod(dir.path, 0o777);
    const sources = await readConfigDir(dir.path);
    expect(sources.flatMap(({ problems }) => problems ?? [])).toEqual([
      `${dir.path}: has mode 0777, so others can write it; expected no write permission for them`,
      `${open}: has mode 0664, so others can write it; expected no write permission for them`,
      `${foreign}: belongs to user 1234; expected root`,
    ]);
    const asUser = await readConfigDir(dir.path, { uid: 1000 });
    expect(asUser.flatMap(({ problems }) => problems ?? [])).toEqual([]);
  });
});
