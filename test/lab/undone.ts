import { expect } from "bun:test";
import type { TestNode } from "./harness.ts";
import { diff, type Snapshot, snapshot } from "./snapshot.ts";

const EQUAL = /^Undid \d+ changes in .+; host equals its state before init\.\n$/;

/** Undoes all; the program and the judge agree that it is undone. */
export async function expectUndone(node: TestNode, before: Snapshot): Promise<void> {
  expect(await node.nodelet(["reset", "--yes"])).toEqual({
    exitCode: 0,
    stdout: expect.stringMatching(EQUAL),
    stderr: "",
  });
  expect(diff(before, await snapshot(node.host))).toEqual([]);
}
