import { editDistance } from "../../config/suggest.ts";
import type { CodeInfo } from "../check.ts";
import { allCodes } from "../codes.ts";
import { bundle } from "./bundle.ts";
import { docker } from "./docker.ts";
import type { Explanation, Explanations } from "./explanation.ts";
import { firewall } from "./firewall.ts";
import { join } from "./join.ts";
import { kernel } from "./kernel.ts";
import { leftovers } from "./leftovers.ts";
import { machine } from "./machine.ts";
import { network } from "./network.ts";
import { storage } from "./storage.ts";

/** Every code's explanation. */
export const explanations: Explanations = {
  ...machine,
  ...kernel,
  ...docker,
  ...network,
  ...firewall,
  ...leftovers,
  ...storage,
  ...bundle,
  ...join,
};

/** A code with all that there is to know about it. */
export type Explained = CodeInfo & Explanation;

/** Looks up a code, in capital letters or not. */
export function explain(word: string): Explained | undefined {
  const about = allCodes.find(({ code }) => code.toLowerCase() === word.toLowerCase());
  const explanation = about && explanations[about.code];
  return explanation && { ...about, ...explanation };
}

/** The codes that somebody may have meant, at most three: those that have the word in them, else the least misspelt. */
export function nearestCodes(word: string): string[] {
  const wanted = word.toLowerCase();
  const all = allCodes.map(({ code }) => code);
  const holding = all.filter((code) => wanted !== "" && code.toLowerCase().includes(wanted));
  if (holding.length > 0) return holding.slice(0, 3);
  const away = new Map(all.map((code) => [code, editDistance(wanted, code.toLowerCase())]));
  const of = (code: string) => away.get(code) ?? Infinity;
  const sorted = all.toSorted((a, b) => of(a) - of(b));
  // One that is much further away than the nearest is no suggestion.
  return sorted.slice(0, 3).filter((code) => of(code) <= of(sorted[0] ?? "") + 2);
}
