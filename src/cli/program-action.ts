import { type Command, Option } from "commander";
import type { ProgramOptions } from "./program.ts";

/** The option that says how a result is shown. */
export const outputOption = () =>
  new Option("-o, --output <format>", "how the result is shown")
    .choices(["table", "json", "yaml"])
    .default("table");

/** Runs a command with the options of all levels, and hands on its exit code. */
export function action(
  { done }: ProgramOptions,
  // What commander parsed; each command names the type of its options.
  work: (options: any, args: string[]) => Promise<number> | number,
) {
  return async (...given: unknown[]) => {
    const command = given.at(-1) as Command;
    done(await work(command.optsWithGlobals(), command.args));
  };
}
