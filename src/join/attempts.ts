/** So many refused secrets from one address in a minute are a guesser's. */
const MOST = 10;
const MINUTE_MS = 60_000;
/** Addresses that are remembered; a network of more of them is attacked otherwise. */
const ADDRESSES = 1024;

/** Counts refused attempts by address. */
export class Attempts {
  readonly #times = new Map<string, number[]>();

  /** @returns true when an address had too many of late. @param now milliseconds */
  isTooMany(from: string, now: number): boolean {
    return this.#recent(from, now).length >= MOST;
  }

  /** Remembers a refused attempt. */
  note(from: string, now: number): void {
    const times = [...this.#recent(from, now), now];
    this.#times.delete(from);
    this.#times.set(from, times);
    const [oldest] = this.#times.keys();
    if (this.#times.size > ADDRESSES && oldest !== undefined) this.#times.delete(oldest);
  }

  #recent(from: string, now: number): number[] {
    return (this.#times.get(from) ?? []).filter((at) => now - at < MINUTE_MS);
  }
}
