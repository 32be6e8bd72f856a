import { describe, expect, test } from "bun:test";
import { bareReport, type BareRound } from "../../../scripts/benchmark/bare.ts";
import type { InitRun } from "../../../scripts/benchmark/nodelet.ts";
import { figureRow, markdown, median, spread } from "../../../scripts/benchmark/table.ts";

/** An init of so many seconds, with the phases' milliseconds by id. */
function init(seconds: number, phases: Record<string, number>): InitRun {
  const list = Object.entries(phases).map(([id, ms]) => ({ id, outcome: "changed", ms }));
  return { seconds, result: { ms: seconds * 1000, peakMemoryMb: 100, changed: [], phases: list } };
}

const PHASES = { "048-load-images": 3000, "040-docker-configure": 1500, "045-docker-start": 500 };

function round(more: Partial<BareRound> = {}): BareRound {
  const base = { copy: 2, preflight: 1, verifyRate: 600, rawLoad: 2, loadMemory: 120, reset: 3 };
  return { ...base, init: init(12, PHASES), ...more };
}

describe("a figure", () => {
  test("is the middle one, or between the two in the middle", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  test("shows three digits and how far the others are", () => {
    expect(spread([9.123, 8.8, 12.25], "s")).toBe("9.12 s (8.80–12.3)");
    expect(spread([338.7], "MB")).toBe("339 MB");
    expect(spread([], "s")).toBe("–");
  });

  test("has a ratio only where the peer has one too", () => {
    const ours = { what: "load", unit: "s", ours: [3] };
    expect(figureRow({ ...ours, theirs: [2], goal: "≤ 2" })).toEqual([
      "load",
      "3.00 s",
      "2.00 s",
      "1.50",
      "≤ 2",
    ]);
    expect(figureRow(ours)).toEqual(["load", "3.00 s", "–", "–", "–"]);
  });

  test("stands in a table of Markdown", () => {
    expect(markdown(["a", "b"], [["1", "2"]])).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |");
  });
});

describe("the report of bare hosts", () => {
  const rows = (rounds: readonly BareRound[]) => {
    const lines = bareReport(rounds, { applianceMb: 338.7 }).split("\n");
    return new Map(
      lines.map((line) => line.split(" | ")).map(([what = "", ...rest]) => [what.replace("| ", ""), rest]),
    );
  };

  test("counts from the copy to the end of init, and its stretches come to the same", () => {
    const found = rows([round()]);
    const seconds = (what: string) => Number.parseFloat(found.get(what)?.[0] ?? "");
    expect(seconds("copy of the file begun, to Ready and DNS answering")).toBe(14);
    const parts = [...found.keys()].filter((what) => what.startsWith("– "));
    expect(parts).toHaveLength(5);
    expect(parts.reduce((sum, what) => sum + seconds(what), 0)).toBe(14);
  });

  test("sets the load beside the raw one", () => {
    const found = rows([round(), round({ rawLoad: 4 })]);
    expect(found.get("– all images loaded (peer: raw docker load)")).toEqual([
      "3.00 s (3.00–3.00)",
      "3.00 s (2.00–4.00)",
      "1.00",
      "≤ 1.25 |",
    ]);
  });

  test("tells memory in MB, and every phase by its id", () => {
    const found = rows([round()]);
    expect(found.get("peak memory of init")?.[0]).toBe("105 MB");
    expect(found.get("appliance")?.[0]).toBe("339 MB");
    expect(found.get("048-load-images")).toEqual(["3000 ms |"]);
  });
});
