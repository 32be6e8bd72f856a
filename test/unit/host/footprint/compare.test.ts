import { describe, expect, test } from "bun:test";
import { compareFootprints, differenceLine, unseenAreas } from "../../../../src/host/footprint/compare.ts";
import type { Facts, Footprint } from "../../../../src/host/footprint/footprint.ts";

const footprint = (areas: Record<string, Facts>): Footprint => ({
  version: 1,
  takenAt: "2026-01-01T00:00:00Z",
  places: [],
  areas,
});

const lines = (before: Record<string, Facts>, now: Record<string, Facts>) =>
  compareFootprints(footprint(before), footprint(now)).map(differenceLine);

describe("compareFootprints()", () => {
  test("finds nothing where nothing is different", () => {
    const areas = { files: { "/a": "file 0600 0:0" }, mounts: {} };
    expect(lines(areas, structuredClone(areas))).toEqual([]);
  });

  test("tells what is gone, new and changed, a line each", () => {
    const before = {
      files: { "/gone": "directory 0755 0:0", "/same": "x" },
      units: { "unit a": "loaded, active" },
    };
    const now = { files: { "/new": "link to /x", "/same": "x" }, units: { "unit a": "loaded, failed" } };
    expect(lines(before, now)).toEqual([
      "~ unit a: loaded, active → loaded, failed",
      "- /gone: directory 0755 0:0",
      "+ /new: link to /x",
    ]);
  });

  test("tells a bare thing without a state, and one that got a state", () => {
    const before = { iptables: { "chain X": "", "rule Y": "" } };
    expect(lines(before, { iptables: { "rule Y": "2 times" } })).toEqual([
      "- chain X",
      "~ rule Y: there → 2 times",
    ]);
  });

  test("leaves out settings that came with a module, not those that were changed or are gone with one", () => {
    const before = { settings: { "kernel setting a": "0", "kernel setting c": "1" } };
    const now = { settings: { "kernel setting a": "1", "kernel setting b": "1" } };
    expect(lines(before, now)).toEqual(["~ kernel setting a: 0 → 1"]);
  });

  test("does not compare what was not seen both times, and says what that is", () => {
    const [before, now] = [footprint({ files: {}, engine: { "container a": "" } }), footprint({ files: {} })];
    expect(compareFootprints(before, now)).toEqual([]);
    expect(unseenAreas(before, now)).toContain("engine");
    expect(unseenAreas(before, now)).not.toContain("files");
  });
});
