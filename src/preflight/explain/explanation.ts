/** What there is to know about a code, offline. Sentences; lines are broken where they are shown. */
export interface Explanation {
  /** What was looked at, and what is expected. */
  checked: string;
  /** What happens when nobody does anything about it. */
  why: string;
  /** Ways out, the usual one first; each is a list of steps in their order. */
  ways: readonly (readonly string[])[];
  /** What init does about it by itself. */
  init?: string;
}

/** Explanations by code. */
export type Explanations = Readonly<Record<string, Explanation>>;
