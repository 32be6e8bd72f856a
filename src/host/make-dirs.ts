import { mkdirSync } from "node:fs";

/** Makes a directory, and what is missing above it, all with the mode 0755, whatever the umask of the caller. */
export function makeDirs(path: string): void {
  // Set for an instant: a kill between making and chmod would leave a directory that others cannot enter.
  const before = process.umask(0o022);
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } finally {
    process.umask(before);
  }
}
