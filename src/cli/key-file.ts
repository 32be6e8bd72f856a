import { keyLine } from "../bundle/trust.ts";
import { keyOf } from "./bundle.ts";

/**
 * Takes a public key that was given as its file for the key itself: the configuration that a node keeps must not hang on a
 * file of a medium that goes.
 *
 * @throws AppError when there is no such file, or it is no public key
 */
export async function withKeyFile<T extends { [key: string]: unknown }>(options: T): Promise<T> {
  const trustedKey = options["trustedKey"];
  if (typeof trustedKey !== "string") return options;
  return { ...options, trustedKey: keyLine((await keyOf(trustedKey)).key) };
}
