/** Milliseconds of failing, without a success in between, after which nobody waits for a source: one that is started anew is back before. */
const PATIENCE_MS = 10_000;

/** Milliseconds of the rest after a failure; each is twice as long as the one before. */
const FIRST_REST_MS = 250;
const LONGEST_REST_MS = 2_000;

/** How long somebody who fails is borne with. Times are those of a clock that never jumps. */
export class Patience {
  #since: number | undefined;
  #times = 0;
  #restMs = FIRST_REST_MS;

  /** All failures up to now are forgiven. */
  succeeded(): void {
    this.#since = undefined;
    this.#times = 0;
    this.#restMs = FIRST_REST_MS;
  }

  /** @returns how often it has failed and in how long, in words, when that is too long; else undefined */
  failed(now: number): string | undefined {
    this.#since ??= now;
    this.#times++;
    const ms = now - this.#since;
    return ms < PATIENCE_MS ? undefined : `${this.#times} times in ${Math.round(ms / 1000)} s`;
  }

  /** Milliseconds to leave it alone now. */
  rest(): number {
    const ms = this.#restMs;
    this.#restMs = Math.min(2 * ms, LONGEST_REST_MS);
    return ms;
  }
}
