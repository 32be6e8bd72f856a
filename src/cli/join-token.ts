import { closeSync, openSync, readSync } from "node:fs";
import { AppError, messageOf, UsageError } from "../errors.ts";
import { parseToken, type Token } from "../join/token.ts";
import type { Io } from "./io.ts";

/** A token has less; more is some other file. */
const MOST_BYTES = 4096;

/** Where the token comes from: a file (`-` for standard input), the command line, or the operator. */
export interface TokenOptions {
  tokenFile?: string;
  token?: string;
}

/**
 * Reads the token.
 *
 * @returns undefined when none was given and nobody can be asked
 * @throws AppError when what was given is none; UsageError when it was given twice
 */
export function readToken(io: Io, { tokenFile, token }: TokenOptions): Token | undefined {
  if (tokenFile !== undefined && token !== undefined)
    throw new UsageError("Cannot take two tokens; expected --token-file or --token");
  if (tokenFile !== undefined) return parseToken(textOf(tokenFile));
  if (token !== undefined) {
    io.err("warning: a token on the command line is seen by everybody on this host; better --token-file\n");
    return parseToken(token);
  }
  const answer = io.ask("Token: ");
  return answer === undefined || answer.trim() === "" ? undefined : parseToken(answer);
}

/** Not more of it than a token may have: somebody may have named a disk. */
function textOf(path: string): string {
  try {
    const fd = path === "-" ? 0 : openSync(path, "r");
    const buffer = Buffer.alloc(MOST_BYTES);
    let size = 0;
    for (let read = -1; read !== 0 && size < MOST_BYTES; size += read) {
      read = readSync(fd, buffer, { position: null, offset: size, length: MOST_BYTES - size });
    }
    if (fd !== 0) closeSync(fd);
    return buffer.toString("utf8", 0, size);
  } catch (error) {
    throw new AppError(`Cannot read the token file "${path}": ${messageOf(error)}`, {
      hint: "write the line that nodelet token create printed into it, or give it on standard input with --token-file -",
    });
  }
}
