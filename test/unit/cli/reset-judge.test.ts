import { describe, expect, test } from "bun:test";
import { wayOf } from "../../../src/cli/reset-judge.ts";
import { AppError, ExitCode } from "../../../src/errors.ts";

const needed = { is: "needed", why: "after it 2 voters, of which 1 is well: no quorum" } as const;

const io = () => {
  const lines: string[] = [];
  return { lines, err: (line: string) => void lines.push(line) };
};

const judge = (abandonCluster: boolean, out = io()) =>
  wayOf(out, { options: { root: "/", abandonCluster }, found: needed, name: "m2" });

describe("a master that the others need", () => {
  test("is not reset; what was found, what would follow and the way out are told", () => {
    let thrown: unknown;
    try {
      judge(false);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AppError);
    expect(thrown).toMatchObject({
      exitCode: ExitCode.failed,
      message:
        'Cannot reset the master "m2": after it 2 voters, of which 1 is well: no quorum; without it the others may have no majority for good, and the cluster is lost',
      hint: expect.stringMatching(
        /nodelet phases start.*nodelet etcd status.*nodelet reset --abandon-cluster$/,
      ),
    });
  });

  test("goes with its cluster when that is abandoned, which is told", () => {
    const out = io();
    expect(judge(true, out)).toBe("stay");
    expect(out.lines).toEqual([
      "warning: This master goes without leaving etcd, as its cluster is abandoned: after it 2 voters, of which 1 is well: no quorum\n",
    ]);
  });
});

test.each([
  ["member", "member"],
  ["alone", "stay"],
  ["out", "stay"],
] as const)("one that is %s goes its way without a word", (is, way) => {
  const out = io();
  expect(wayOf(out, { options: { root: "/" }, found: { is }, name: "m2" })).toBe(way);
  expect(out.lines).toEqual([]);
});
