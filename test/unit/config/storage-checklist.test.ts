import { describe, expect, test } from "bun:test";
import { ConfigError } from "../../../src/errors.ts";
import { loadConfig } from "../../../src/config/load.ts";

const checklist = (value: unknown) =>
  loadConfig({ files: [], flags: { storageChecklist: value } }).storageChecklist;

describe("storageChecklist", () => {
  test.each([
    ["/srv/app=40", { "/srv/app": 40 }],
    ["/srv/app=40, /srv/db=0", { "/srv/app": 40, "/srv/db": 0 }],
    [{ "/srv/app": 40 }, { "/srv/app": 40 }],
    [{ "/srv/app": "40" }, { "/srv/app": 40 }],
  ])("takes %j", (given, map) => {
    expect(checklist(given)).toEqual(map);
  });

  test.each([
    ["srv=40", '"srv" is not an absolute path'],
    ["/srv", '"/srv" is not a map of sizes; expected path: GiB, for example /srv/app: 40'],
    ["/srv=40G", '"40G" is not accepted; expected a whole number from 0 to 1000000'],
    [{ "/srv": -1 }, "-1 is not accepted; expected a whole number from 0 to 1000000"],
    [{ "/srv": 1.5 }, "1.5 is not accepted; expected a whole number from 0 to 1000000"],
  ])("refuses %j", (given, words) => {
    let problems: readonly string[] = [];
    try {
      checklist(given);
    } catch (error) {
      if (error instanceof ConfigError) problems = error.problems;
    }
    expect(problems.length).toBe(1);
    expect(problems[0]).toContain(words);
  });
});
