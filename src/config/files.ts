import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Stats } from "node:fs";
import { codeOf, ConfigError, messageOf } from "../errors.ts";
import type { ConfigSource } from "./source.ts";

/** How {@linkcode readConfigDir} reads. */
export interface ReadConfigOptions {
  /** The operator named the path, so it must be there and, as a directory, hold a file. */
  mustExist?: boolean;
  /** User id of the process; ownership is only checked for root. */
  uid?: number;
}

const MAX_BYTES = 1024 * 1024;

/**
 * Reads a configuration file, or every `*.yaml` and `*.yml` of a directory in alphabetical order. Nothing there gives
 * no files unless `mustExist`. A file that others could have written carries that as a problem.
 *
 * @throws ConfigError when the path must exist and does not, or cannot be read.
 */
export async function readConfigDir(path: string, options: ReadConfigOptions = {}): Promise<ConfigSource[]> {
  const { mustExist = false, uid = process.getuid?.() ?? 0 } = options;
  const stats = await statOrUndefined(path);
  if (!stats) {
    if (mustExist)
      throw new ConfigError([`${path}: no such file or directory; expected a configuration file`]);
    return [];
  }
  if (!stats.isDirectory()) return [await readSourceFile(path, { stats, uid })];
  const paths = await yamlFiles(path);
  if (mustExist && paths.length === 0) {
    throw new ConfigError([`${path}: no file found; expected at least one *.yaml or *.yml`]);
  }
  const sources = await Promise.all(
    paths.map(async (file) => readSourceFile(file, { stats: await statOrUndefined(file), uid })),
  );
  const problems = trustProblems(path, { stats, uid });
  return problems.length > 0 ? [{ path, text: "", problems }, ...sources] : sources;
}

/** Reads `kube_override.env`, with what is wrong with the file itself; undefined when there is none. */
export async function readOverrideFile(
  path: string,
  { uid = process.getuid?.() ?? 0 }: Pick<ReadConfigOptions, "uid"> = {},
): Promise<ConfigSource | undefined> {
  const stats = await statOrUndefined(path);
  return stats && (await readSourceFile(path, { stats, uid, expected: "lines KEY=value" }));
}

async function yamlFiles(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => /\.ya?ml$/.test(name) && !name.startsWith("."))
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    throw unreadable(directory, error);
  }
}

async function readSourceFile(
  path: string,
  { stats, uid, expected = "YAML text" }: { stats: Stats | undefined; uid: number; expected?: string },
): Promise<ConfigSource> {
  // Asked before opening: opening a pipe would wait for a writer.
  if (!stats?.isFile())
    return { path, text: "", problems: [`${path}: not a regular file; expected ${expected}`] };
  try {
    await using file = await open(path);
    const opened = await file.stat();
    if (opened.size > MAX_BYTES) {
      return {
        path,
        text: "",
        problems: [`${path}: has ${opened.size} bytes; expected at most ${MAX_BYTES}`],
      };
    }
    const problems = trustProblems(path, { stats: opened, uid });
    return { path, ...decode(path, { bytes: await file.readFile(), problems, expected }) };
  } catch (error) {
    throw unreadable(path, error);
  }
}

function decode(
  path: string,
  { bytes, problems, expected }: { bytes: Uint8Array; problems: readonly string[]; expected: string },
) {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), problems };
  } catch {
    return { text: "", problems: [...problems, `${path}: not UTF-8; expected ${expected}`] };
  }
}

/** What lets others than root decide what is in a file or directory. Nothing when the process is not root's. */
export function trustProblems(path: string, { stats, uid }: { stats: Stats; uid: number }): string[] {
  if (uid !== 0) return [];
  const problems: string[] = [];
  if (stats.uid !== 0) problems.push(`${path}: belongs to user ${stats.uid}; expected root`);
  if ((stats.mode & 0o022) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    problems.push(`${path}: has mode ${mode}, so others can write it; expected no write permission for them`);
  }
  return problems;
}

async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) return undefined;
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): ConfigError {
  return new ConfigError([`${path}: cannot be read: ${codeOf(error) ?? messageOf(error)}`]);
}
