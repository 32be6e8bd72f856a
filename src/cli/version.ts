import { ExitCode } from "../errors.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";

declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;

/** The version that the build put in, or `dev` when run from source. */
export const VERSION: string = typeof BUILD_VERSION === "string" ? BUILD_VERSION : "dev";

const COMMIT: string = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "unknown";

/** `nodelet version` */
export function versionText(io: Io, { options }: { options: { output: OutputFormat } }): number {
  const result = {
    version: VERSION,
    commit: COMMIT,
    bun: Bun.version,
    platform: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
  showResult(io, {
    format: options.output,
    result,
    table: `nodelet ${VERSION} (${COMMIT}), Bun ${Bun.version}\n`,
  });
  return ExitCode.ok;
}
