import { describe, expect, test } from "bun:test";
import { symlink } from "node:fs/promises";
import { collectLicences, licenceArtefacts } from "../../../scripts/stack/licences.ts";
import type { Package } from "../../../scripts/stack/packages.ts";
import { tmpRoot } from "../../fake/root.ts";

const fetched = (name: string): Package => ({ name, version: "1.0-1", sha256: "", file: "", paths: [] });

describe("licences of a cache entry", () => {
  test("are those of its packages, each under the package's name", async () => {
    await using root = await tmpRoot();
    await root.write("/tree/usr/share/doc/socat/copyright", "GPL");
    // A package of the same source has the directory of the other one.
    await symlink("socat", root.place("/tree/usr/share/doc/socat-tools"));
    const out = root.place("/out");
    const places = { tree: root.place("/tree"), work: root.place("/work"), out };
    await collectLicences([fetched("socat"), fetched("socat-tools")], places);
    const artefacts = await licenceArtefacts(out);
    expect(artefacts.map(({ entry }) => [entry.kind, entry.name, entry.version, entry.path])).toEqual([
      ["licence", "socat", "1.0-1", "licences/socat"],
      ["licence", "socat-tools", "1.0-1", "licences/socat-tools"],
    ]);
    for (const { file } of artefacts) expect(await Bun.file(file).text()).toBe("GPL");
  });
});
