import { expect } from "bun:test";
import type { ExecResult } from "../../scripts/lab/exec.ts";
import type { TestNode } from "./harness.ts";

/** A line of `phases status -o json`. */
export interface PhaseLine {
  index: number;
  id: string;
  title: string;
  statusCheck: boolean;
  status: string;
  message: string;
}

/** Runs `nodelet phases`. */
export const phases = (node: TestNode, ...args: string[]): Promise<ExecResult> =>
  node.nodelet(["phases", ...args]);

/** Runs an operation that must succeed. @returns the phases that it changed */
export async function operate(node: TestNode, ...args: string[]): Promise<string[]> {
  const done = await phases(node, ...args, "-o", "json");
  if (done.exitCode === 0) return JSON.parse(done.stdout).changed;
  throw new Error(`phases ${args.join(" ")} ended with code ${done.exitCode}: ${done.stdout}${done.stderr}`);
}

/**
 * The phases that do not run, with what the program says of them; the exit code must agree.
 *
 * @param first a shell command right before the look, so that nothing has time to heal
 */
export async function wrong(node: TestNode, first = "true"): Promise<Record<string, string>> {
  const argv = ["bash", "-c", `{ ${first}; } >/dev/null && nodelet phases status -o json`];
  const { stdout, stderr, exitCode } = await node.host.exec(argv);
  if (stdout === "") throw new Error(`phases status after "${first}" ended with code ${exitCode}: ${stderr}`);
  const found = (JSON.parse(stdout) as PhaseLine[]).filter((one) => !["running", "N/A"].includes(one.status));
  expect({ exitCode, stderr }).toEqual({ exitCode: found.length > 0 ? 1 : 0, stderr: "" });
  return Object.fromEntries(found.map((one) => [one.id, `${one.status}: ${one.message}`]));
}
