import type { Machine } from "./machine.ts";

/**
 * One kind of thing on a host that nodelet may change: a file, a sysctl, a unit. It knows how to look, how to bring
 * the thing to the wanted state, and how to put back what was there. Journal, dry run and undo are built on these
 * four verbs alone.
 *
 * @typeParam W the wanted state, with the identity of the thing (a path, a name) in it
 * @typeParam B what was found, as JSON: enough to put it back
 */
export interface Kind<W, B> {
  /** The identity of the thing, unique within the kind. */
  key(wanted: W): string;
  /** Looks, and changes nothing. */
  read(machine: Machine, wanted: W): Promise<B>;
  /** True when what was found is what is wanted. */
  same(found: B, wanted: W): boolean;
  /** Brings the thing to the wanted state; may be run twice. */
  apply(machine: Machine, wanted: W): Promise<void>;
  /**
   * The wanted state as it is kept to be compared with later: no contents, no secrets. `still` is then `same` for it; where
   * both are absent, the wanted state itself is kept. Must hold what `read` needs.
   */
  keep?(wanted: W): object;
  still?(found: B, kept: any): boolean;
  /** Puts back what was found before the first change; may be run twice. */
  restore(machine: Machine, undo: { key: string; before: B }): Promise<void>;
  /** Old and new for the plan of a dry run, in a few words. */
  describe(found: B, wanted: W): { from: string; to: string };
}
