import { describe, expect, test } from "bun:test";
import { failuresIn, recap } from "../../../scripts/lib/failures.ts";

const OUTPUT = `
test/e2e/vip.test.ts:
(pass) a master > answers there [33.78ms]
the VIP moved
12 |   expect(code).toBe(0);
\u001b[31merror\u001b[0m: expect(received).toBe(expected)
(fail) a master > gets it back after keepalived was killed [3315.15ms]
(fail) a master > (unnamed)
(skip) a master > is asked

 1 pass
`;

describe("the failures of a run", () => {
  test("have what was written since the test before, without colours", () => {
    expect(failuresIn(OUTPUT)).toEqual([
      {
        where: "test/e2e/vip.test.ts",
        name: "a master > gets it back after keepalived was killed",
        detail: "the VIP moved\n12 |   expect(code).toBe(0);\nerror: expect(received).toBe(expected)",
      },
      { where: "test/e2e/vip.test.ts", name: "a master > (unnamed)", detail: "" },
    ]);
  });

  test("are told once more, all names and the end of each detail, in a bounded text", () => {
    const failures = ["one", "two"].map((name) => ({
      where: "unit",
      name,
      detail: `${"x".repeat(9000)}END`,
    }));
    const text = recap(failures);
    expect(text).toStartWith("=== what failed\n--- unit: one\n  …x");
    expect(text).toContain("END\n--- unit: two\n");
    expect(text.length).toBeLessThan(8200);
  });

  test("are nothing when nothing failed", () => {
    expect(recap(failuresIn("(pass) one [1.00ms]\n"))).toBe("");
  });
});
