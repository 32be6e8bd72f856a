import { describe, expect, test } from "bun:test";
import { tmpRoot } from "../fake/root.ts";
import { nodelet } from "./nodelet.ts";

describe("a host that is no master", () => {
  test.each(["members", "status"])("is told so by etcd %s, and stays as it is", async (word) => {
    await using root = await tmpRoot();
    expect(await nodelet(["etcd", word, "--root", root.path])).toEqual({
      stdout: "",
      stderr: "error: Cannot reach etcd: this host is not a node; expected a master\n  run it on a master\n",
      code: 1,
    });
    expect(await root.snapshot()).toEqual({});
  });
});

describe("node remove", () => {
  test.each(["M2", "m2;reboot", "../m2", ""])("refuses the name %p, and changes nothing", async (name) => {
    await using root = await tmpRoot();
    const seen = await nodelet(["node", "remove", name, "--yes", "--root", root.path]);
    expect(seen).toEqual({
      stdout: "",
      stderr: `error: Cannot remove the node ${JSON.stringify(name)}: that is no name of a node; expected for example node-1\n`,
      code: 2,
    });
    expect(await root.snapshot()).toEqual({});
  });

  test("works on the running host alone", async () => {
    await using root = await tmpRoot();
    const seen = await nodelet(["node", "remove", "m2", "--yes", "--root", root.path]);
    expect(seen).toEqual({
      stdout: "",
      stderr: `error: Cannot remove a node below "${root.path}"; expected --root / or none\n`,
      code: 2,
    });
    expect(await root.snapshot()).toEqual({});
  });
});
