/** Bytes for a person: `340 MiB`, `1.2 GiB`. */
export function sizeText(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${Math.round(mib)} MiB`;
}

/** `120 of 340 MiB, 210 MiB/s, 1.1 s left` */
export function progressText({ done, total, ms }: { done: number; total: number; ms: number }): string {
  const rate = done / Math.max(ms, 1);
  const left = rate > 0 ? `, ${secondsText(Math.max(0, total - done) / rate)} left` : "";
  return `${sizeText(done)} of ${sizeText(total)}, ${sizeText(rate * 1000)}/s${left}`;
}

/** Milliseconds as whole seconds, at least one: what is left is never known better. */
function secondsText(ms: number): string {
  return `${Math.max(1, Math.round(ms / 1000))} s`;
}
