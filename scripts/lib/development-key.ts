import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { newKeyPair } from "../../src/bundle/trust.ts";
import { writeAtomically } from "../../src/host/atomic.ts";
import type { Cache } from "./cache.ts";
import { withLock } from "./lock.ts";

const TURN_DEADLINE_MS = 10_000;

/**
 * The key that signs the bundles of this machine's own builds, made when there is none. It vouches for nothing outside of
 * this machine: releases are signed with a key of their maker.
 *
 * @returns the private key's file, and the public key as a line
 */
export async function developmentKey(cache: Cache): Promise<{ file: string; publicKey: string }> {
  const dir = join(cache.root, "keys");
  const file = join(dir, "development.key");
  const publicFile = join(dir, "development.pub");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return await withLock(join(dir, "lock"), TURN_DEADLINE_MS, async () => {
    if (!(await Bun.file(publicFile).exists())) {
      const pair = newKeyPair();
      await writeAtomically(file, pair.privateKey, { mode: 0o600 });
      await writeAtomically(publicFile, `${pair.publicKey}\n`, { mode: 0o644 });
    }
    return { file, publicKey: (await Bun.file(publicFile).text()).trim() };
  });
}
