import { z } from "zod";
import { quote, text } from "./grammar.ts";

/** The name of a variable, as kube.env has it. */
export const ENV_NAME = /^[A-Z_][A-Z0-9_]*$/;

/** Longer than anything that a person writes; a program's environment has a limit as well. */
const MAX_VALUE = 8192;

// What decides which code a shell, a loader or an interpreter runs is not for a configuration to say.
const LOADER = new RegExp(
  "^(PATH|IFS|ENV|CDPATH|GLOBIGNORE|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|BASH_.*|LD_.*|GCONV_PATH|GLIBC_TUNABLES|" +
    "LOCPATH|NLSPATH|MALLOC_.*|BUN_.*|NODE_OPTIONS|NODE_PATH|PYTHON.*|PERL5.*|PERLLIB|RUBYOPT|RUBYLIB)$",
);

/** Says what is wrong with the name of a variable, or undefined. */
export function checkEnvName(name: string): string | undefined {
  if (!ENV_NAME.test(name))
    return `${quote(name)} is not the name of a variable; expected capital letters, digits and '_'`;
  if (LOADER.test(name))
    return `${quote(name)} decides which programs run; expected a variable that programs only read`;
  return undefined;
}

/** Says what is wrong with the value of a variable, or undefined. Values may be secrets, so they are not shown. */
export function checkEnvValue(value: string): string | undefined {
  if (/\p{Cc}/u.test(value)) return "value has a control character; expected one line of text";
  if (value.length > MAX_VALUE) return `value has ${value.length} characters; expected at most ${MAX_VALUE}`;
  return undefined;
}

/** A map of variables. */
export function variables() {
  return z.record(
    text(checkEnvName, { expected: "the name of a variable" }),
    text(checkEnvValue, { expected: "a text", secret: true }),
    { error: () => "value is not a map of variables; expected NAME: value" },
  );
}
