import { describe, expect, test } from "bun:test";
import { startPhases } from "../../../src/runner/run.ts";
import { mergePhases } from "../../../src/site-phases/merge.ts";
import { ctxWith, gate, hearing, phase } from "../runner/help.ts";

const builtIn = [
  phase("020-a", { needs: [] }),
  phase("055-b", { needs: ["020-a"] }),
  phase("100-c"),
  phase("130-d", { needs: [] }),
];

describe("mergePhases()", () => {
  test("puts scripts in their place by number", () => {
    const merged = mergePhases(builtIn, [phase("990-z"), phase("001-x"), phase("060-y")]);
    expect(merged.map(({ id }) => id)).toEqual([
      "001-x",
      "020-a",
      "055-b",
      "060-y",
      "100-c",
      "130-d",
      "990-z",
    ]);
  });

  test("a script needs all before it, and is needed by all after it that name needs", () => {
    const merged = mergePhases(builtIn, [phase("060-y"), phase("990-z")]);
    expect(Object.fromEntries(merged.map(({ id, needs }) => [id, needs]))).toEqual({
      "020-a": [],
      "055-b": ["020-a"],
      "060-y": ["020-a", "055-b"],
      "100-c": undefined,
      "130-d": ["060-y"],
      "990-z": ["020-a", "055-b", "060-y", "100-c", "130-d"],
    });
  });

  test("changes nothing without scripts", () => {
    expect(mergePhases(builtIn, [])).toBe(builtIn);
  });

  test("a script starts when all before it are ready, and holds up all after it", async () => {
    const [ready, done] = [gate(), gate()];
    const { heard, listen } = hearing();
    const work = startPhases(ctxWith(), {
      phases: mergePhases(
        [phase("020-a", { needs: [], ready: () => ready.promise }), phase("130-d", { needs: [] })],
        [
          phase("060-y", {
            async start() {
              await done.promise;
              return "changed";
            },
          }),
        ],
      ),
      listen,
    });
    await Bun.sleep(0);
    expect(heard).toEqual(["begin start 020-a"]);
    ready.resolve();
    await Bun.sleep(0);
    expect(heard.at(-1)).toBe("begin start 060-y");
    done.resolve();
    await work;
    expect(heard.slice(-2)).toEqual(["begin start 130-d", "end start 130-d unchanged"]);
  });
});
