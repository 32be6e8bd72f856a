import { stringify } from "yaml";
import { configJsonSchema, defaultConfigYaml } from "../config/render.ts";
import { ExitCode } from "../errors.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { type GlobalOptions, openMachine, readConfig } from "./session.ts";

/** `nodelet config default`: a commented file to begin with. */
export function configDefault(io: Io): number {
  io.out(defaultConfigYaml());
  return ExitCode.ok;
}

/** `nodelet config schema`: the JSON schema, for editors. */
export function configSchema(io: Io): number {
  io.out(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return ExitCode.ok;
}

/** `nodelet config validate [FILE]`: every problem at once. @throws ConfigError with the problems */
export async function configValidate(
  io: Io,
  { options, file }: { options: GlobalOptions & { output: OutputFormat }; file: string | undefined },
): Promise<number> {
  const path = file ?? options.config;
  const config = await readConfig(openMachine(options.root), path ? { config: path } : {});
  showResult(io, {
    format: options.output,
    result: config,
    table: `Configuration is valid.\n${options.verbose ? stringify(config) : ""}`,
  });
  return ExitCode.ok;
}
