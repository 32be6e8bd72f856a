import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { run } from "../lib/run.ts";
import { DOCKER } from "./constants.ts";
import { dockerEnv } from "./engine.ts";

/**
 * Files travel as a tar stream through a program in the host: `docker cp` writes below the tmpfs of /run and /tmp, where
 * nobody sees them.
 */
const PIPE_IN =
  'set -o pipefail; tar -C "$1" -cf - -- "$2" | "$4" exec -i "$5" sh -c \'mkdir -p -- "$1" && tar --no-same-owner -C "$1" -xf -\' sh "$3"';
const PIPE_OUT =
  'set -o pipefail; "$4" exec "$5" tar -C "$1" -cf - -- "$2" | tar --no-same-owner -C "$3" -xf -';
const RENAME =
  'set -o pipefail; "$3" exec -i "$4" sh -c \'mkdir -p -- "$(dirname -- "$1")" && cat >"$1.part" && chmod "$2" "$1.part" && mv -f -- "$1.part" "$1"\' sh "$2" "$5" <"$1"';

const COPY_DEADLINE_MS = 300_000;

/**
 * Copies a file or the contents of a directory into a lab host, owned by root there.
 *
 * @param name The host.
 * @param target The file's, or the directory's, own path in the host; what is missing above it is made.
 * @throws When either end fails.
 */
export async function copyInto(name: string, source: string, target: string): Promise<void> {
  const options = { env: dockerEnv(), timeoutMs: COPY_DEADLINE_MS };
  const info = await stat(source);
  if (info.isDirectory()) {
    await run(["bash", "-c", PIPE_IN, "bash", source, ".", target, DOCKER, name], options);
  } else {
    const mode = (info.mode & 0o7777).toString(8);
    await run(["bash", "-c", RENAME, "bash", source, target, DOCKER, name, mode], options);
  }
}

/**
 * Copies a file or directory of a lab host into a directory of this machine, under its own name.
 *
 * @param name The host.
 * @param directory An existing directory of this machine.
 * @throws When either end fails.
 */
export async function copyOutOf(name: string, source: string, directory: string): Promise<void> {
  const argv = ["bash", "-c", PIPE_OUT, "bash", dirname(source), basename(source), directory, DOCKER, name];
  await run(argv, { env: dockerEnv(), timeoutMs: COPY_DEADLINE_MS });
}
