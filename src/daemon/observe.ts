import { type DeclaredThings, type Drift, findDrift, readDeclared } from "../host/declared.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import { readHeld } from "../runner/held.ts";
import type { Desired, OpenNode } from "./desired.ts";
import type { Seen } from "./judge.ts";
import { type Check, isFailing, look, type Pass } from "./pass.ts";
import { readRemoval, type Removal, wantedServices } from "./removed.ts";
import type { Report } from "./report.ts";
import { type FileWatch, placesOf } from "./watch.ts";

/** What a look says to the judge and to the document. */
export interface Observation extends Seen {
  /** The first check that fails. */
  first: Check | undefined;
  drift: Drift[];
  /** The node was removed from its cluster. */
  removed: Removal | undefined;
  /** Ids of phases that are left alone, since an operator stopped them or what they need. */
  alone: ReadonlySet<string>;
}

/** What an observer looks with. */
export interface ObserverParts {
  machine: Machine;
  desired: Desired;
  report: Report;
  files: FileWatch;
  /** Milliseconds of a clock that never jumps. */
  monotonic: () => number;
  /** Looks inside of the cgroup that limits it. */
  limited: <T>(node: OpenNode, work: () => Promise<T>) => Promise<T>;
}

/** Looks at the node, and remembers what of it is known already. */
export class Observer {
  readonly #parts: ObserverParts;
  #pass: Pass | undefined;
  #declared: DeclaredThings = {};
  /** Drift that no phase puts back, told once. */
  readonly #accepted = new Set<string>();

  constructor(parts: ObserverParts) {
    this.#parts = parts;
  }

  /** The last look; undefined before the first. */
  get pass(): Pass | undefined {
    return this.#pass;
  }

  /** Looks at everything, once. @param stopped whether all phases were stopped as the configuration wants it */
  async look(node: OpenNode, stopped: boolean): Promise<Observation> {
    const { machine, report, limited, files, desired, monotonic } = this.#parts;
    this.#declared = withSignatures(readDeclared(placeOf(machine, paths.declared)), this.#declared);
    report.phases(node.phases);
    report.looking();
    const pass = await limited(node, () =>
      look(node.ctx, {
        machine,
        phases: node.phases,
        held: readHeld(placeOf(machine, paths.held)),
        declared: this.#declared,
        onSlow: ([title = ""]) => {
          report.set({ current_status_check: title });
          if (title) void report.write();
        },
      }),
    );
    this.#pass = pass;
    files.follow(placesOf(this.#declared));
    const failing = pass.checks.filter(isFailing);
    const drift = this.#newDrift(pass.drift);
    const notInForce = !desired.inForce && desired.problems.length === 0;
    return {
      desired: wantedServices(machine, node.ctx.config),
      failing: failing.map(({ id }) => id),
      first: failing[0],
      elsewhere: failing[0]?.elsewhere ?? false,
      removed: readRemoval(machine),
      drift,
      changed: drift.length > 0 || notInForce,
      // A container or a unit that came back after the stop is drift.
      stopped: stopped && drift.length === 0,
      alone: pass.alone,
      now: monotonic(),
    };
  }

  /**
   * After everything was started: what still differs is not ours to put back.
   *
   * @param before the drift that was to be put back; what came since is looked at anew. Any, when not given
   * @returns what is left, in words
   */
  async accept(before?: readonly Drift[]): Promise<string[]> {
    const { machine } = this.#parts;
    const known = before && new Set(before.map(keyOf));
    const left = await findDrift(machine, readDeclared(placeOf(machine, paths.declared)));
    const fresh = left.map(keyOf).filter((key) => !this.#accepted.has(key) && (known?.has(key) ?? true));
    for (const key of fresh) this.#accepted.add(key);
    return fresh.map((key) => `left as it is, since no phase puts it back: ${key}`);
  }

  /** Takes nothing for granted any more: all drift is new. */
  forget(): void {
    this.#accepted.clear();
  }

  #newDrift(drift: readonly Drift[]): Drift[] {
    const keys = new Set(drift.map(keyOf));
    for (const key of this.#accepted) if (!keys.has(key)) this.#accepted.delete(key);
    return drift.filter((one) => !this.#accepted.has(keyOf(one)));
  }
}

const keyOf = ({ kind, key }: Drift) => `${kind} ${key}`;

/** Signatures that a look renewed are kept, so that a file that was only touched is read once. */
function withSignatures(next: DeclaredThings, before: DeclaredThings): DeclaredThings {
  for (const [id, thing] of Object.entries(next)) {
    const old = before[id];
    if (old?.signature && Bun.deepEquals(old.kept, thing.kept)) thing.signature = old.signature;
  }
  return next;
}
