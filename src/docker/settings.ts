import { AppError } from "../errors.ts";

/** The content of Docker's daemon.json. */
export type DockerSettings = Record<string, unknown>;

/** What the engine needs to take over new settings. A restart ends containers where live restore is off. */
export type DockerNeed = "nothing" | "reload" | "restart";

/**
 * Settings that the engine reads again when it is told to reload.
 *
 * @see https://docs.docker.com/engine/reference/commandline/dockerd/#configuration-reload-behavior
 */
const RELOADED = new Set(["live-restore"]);

/** Reads the text of a daemon.json; none is an empty one. @throws AppError when it is no JSON object */
export function parseDockerSettings(text: string | undefined, path: string): DockerSettings {
  if (text === undefined || text.trim() === "") return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed !== null && typeof parsed === "object" && !Array.isArray(parsed))
      return parsed as DockerSettings;
  } catch {
    // Told below, with the same way out.
  }
  throw new AppError(`Cannot read "${path}": it is not a JSON object`, {
    hint: "correct or remove it; Docker itself does not start with it",
  });
}

/** What an engine that runs with some settings needs to run with others. */
export function dockerNeed(before: DockerSettings, after: DockerSettings): DockerNeed {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = keys.filter((key) => !Bun.deepEquals(before[key], after[key]));
  if (changed.length === 0) return "nothing";
  return changed.every((key) => RELOADED.has(key)) ? "reload" : "restart";
}
