import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../../src/errors.ts";
import { loadConfig } from "../../../src/config/load.ts";

/** The problems that a text, and flags beside it, are refused with; none when they are accepted. */
export function problemsOf(text: string, flags: Record<string, unknown> = {}): readonly string[] {
  try {
    loadConfig({ files: [{ path: "c.yaml", text }], flags });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** A directory that is removed at the end of its scope. */
export async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "nodelet-config-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
