/** Bytes for a person: `340 MiB`, `1.2 GiB`. */
export function sizeText(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${Math.round(mib)} MiB`;
}
