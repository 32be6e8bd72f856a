import { describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { allCodes } from "../../../../src/preflight/codes.ts";
import { explain, explanations, nearestCodes } from "../../../../src/preflight/explain/index.ts";

const SOURCE = join(import.meta.dir, "../../../../src");
const known = allCodes.map(({ code }) => code);

/** Codes of findings as the sources write them; those of system errors are all capitals. */
async function writtenCodes(): Promise<string[]> {
  const files = (await readdir(SOURCE, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const texts = await Promise.all(files.map((name) => Bun.file(join(SOURCE, name)).text()));
  return texts.flatMap((text) =>
    [...text.matchAll(/\bcode: "([A-Z][a-z]\w*|SE\w+)"/g)].map(([, code = ""]) => code),
  );
}

describe("the explanations", () => {
  test("are there for every code that a finding can have, and for no other", async () => {
    expect(Object.keys(explanations).sort()).toEqual(known.toSorted());
    const written = new Set(await writtenCodes());
    expect([...written].filter((code) => !known.includes(code))).toEqual([]);
    expect(written.size).toBeGreaterThan(60);
  });

  test.each(known)("of %s say what was checked, why, and at least one way out", (code) => {
    const { checked, why, ways, init } = explanations[code] ?? { checked: "", why: "", ways: [] };
    for (const text of [checked, why, ...(init === undefined ? [] : [init])])
      expect(text).toMatch(/^[^\n]{20,}\.$/);
    expect(ways.length).toBeGreaterThan(0);
    for (const step of ways.flat()) expect(step).toMatch(/^\S.+\S$/);
    for (const way of ways) expect(way.length).toBeGreaterThan(0);
  });

  test("are found in any spelling of capitals", () => {
    expect(explain("portinuse")).toMatchObject({
      code: "PortInUse",
      level: "error",
      checked: expect.any(String),
    });
    expect(explain("NoSuchThing")).toBeUndefined();
  });

  test.each([
    ["PortInUsed", ["PortInUse"]],
    ["swap", ["SwapOn"]],
    ["firewall", ["FirewalldActive", "FirewallRules"]],
    ["DockerToOld", ["DockerTooOld"]],
  ])("%s is near %j", (word, near) => {
    expect(nearestCodes(word)).toEqual(near);
  });

  test("something is near anything", () => {
    expect(nearestCodes("").length).toBeGreaterThan(0);
    expect(nearestCodes("x".repeat(80)).length).toBeLessThanOrEqual(3);
  });
});
