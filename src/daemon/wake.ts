/** A bell that ends the daemon's sleep. What rings while nobody sleeps ends the next sleep at once. */
export class Wake {
  #reasons = new Set<string>();
  #ring: (() => void) | undefined;

  /** Rings. @param reason for the log, for example `container etcd: die` */
  poke(reason: string): void {
    this.#reasons.add(reason);
    this.#ring?.();
  }

  /** Sleeps until it rings, the time is over, or the signal fires. @returns the reasons; none when the time was over */
  async sleep(ms: number, signal: AbortSignal): Promise<string[]> {
    if (this.#reasons.size === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", end);
          this.#ring = undefined;
          resolve();
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener("abort", end, { once: true });
        this.#ring = end;
      });
    }
    const reasons = [...this.#reasons];
    this.#reasons.clear();
    return reasons;
  }
}
