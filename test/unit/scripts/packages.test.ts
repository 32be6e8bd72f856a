import { describe, expect, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { checkUpstream, type Package, resolveIn } from "../../../scripts/stack/packages.ts";
import { tmpRoot } from "../../fake/root.ts";

const fetched = (version: string): Package[] => [
  { name: "runc", version, sha256: "", file: "runc.deb", paths: [] },
];

describe("checkUpstream()", () => {
  test("accepts a security update and a rebuild of the version that was tested, whatever its epoch", () => {
    for (const version of ["1.1.5", "1:1.1.5-1+b2", "1.1.5+ds1-1+deb12u1", "1.1.5-4", "1.1.5~rc2"])
      expect(() => checkUpstream(fetched(version), { runc: "1.1.5" })).not.toThrow();
  });

  test("refuses another one, and a package that was not fetched", () => {
    expect(() => checkUpstream(fetched("1.1.50-1"), { runc: "1.1.5" })).toThrow(
      'Cannot use package "runc": the mirror has 1.1.50-1; expected upstream version 1.1.5',
    );
    expect(() => checkUpstream([], { runc: "1.1.5" })).toThrow("the mirror has nothing");
  });
});

describe("resolveIn()", () => {
  test("takes an absolute link as one from the tree's own root", async () => {
    await using root = await tmpRoot();
    await root.write("/usr/lib/real.so", "the tree's");
    await mkdir(root.place("/lib64"));
    await symlink("/usr/lib/real.so", root.place("/lib64/ld.so"));
    expect(await resolveIn(root.path, "/lib64/ld.so")).toBe(root.place("/usr/lib/real.so"));
  });

  test("follows relative links of files and of directories", async () => {
    await using root = await tmpRoot();
    await root.write("/usr/lib/lib.so.1.2", "");
    await symlink("usr/lib", root.place("/lib"));
    await symlink("lib.so.1.2", root.place("/usr/lib/lib.so.1"));
    expect(await resolveIn(root.path, "/lib/lib.so.1")).toBe(root.place("/usr/lib/lib.so.1.2"));
  });
});
