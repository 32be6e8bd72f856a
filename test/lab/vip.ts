import type { TestNode } from "./harness.ts";

const EVERY_MS = 200;

/** A watch over who holds an address. */
export interface VipWatch {
  /** Waits until somebody else holds it. @returns milliseconds from a moment (of `performance.now()`) to when that was first seen */
  movedAfter(from: string, since: number): Promise<number>;
  /** Ends it. @returns `together`: the longest time, in milliseconds, in which two reachable hosts held it */
  stop(): Promise<{ together: number }>;
}

/** The first of the hosts that holds the address; undefined when none does. A host that is off holds nothing. */
export async function holderOf(nodes: readonly TestNode[], address: string): Promise<TestNode | undefined> {
  const held = await Promise.all(nodes.map((node) => holds(node, address)));
  return nodes.find((_, at) => held[at]);
}

async function holds(node: TestNode, address: string): Promise<boolean> {
  const done = await node.host
    .exec(["/opt/pf9/bin/ip", "-o", "-4", "addr", "show"], { timeoutMs: 5_000 })
    .catch(() => undefined);
  // A host whose cable is pulled has no interface to be reached at.
  return done?.exitCode === 0 && done.stdout.includes(` ${address}/`);
}

/** Looks all the time who holds an address. */
export function watchVip(nodes: () => readonly TestNode[], address: string): VipWatch {
  const seen: { at: number; holders: string[] }[] = [];
  let ended = false;
  const loop = (async () => {
    while (!ended) {
      const list = nodes();
      const held = await Promise.all(list.map((node) => holds(node, address)));
      seen.push({ at: performance.now(), holders: list.filter((_, at) => held[at]).map(({ name }) => name) });
      await Bun.sleep(EVERY_MS);
    }
  })();
  return {
    async movedAfter(from, since) {
      const end = performance.now() + 60_000;
      for (;;) {
        const moved = seen.find(({ at, holders }) => at > since && holders.some((name) => name !== from));
        if (moved) return moved.at - since;
        if (performance.now() > end) throw new Error("the address did not move within a minute");
        await Bun.sleep(EVERY_MS);
      }
    },
    async stop() {
      ended = true;
      await loop;
      return { together: longestTogether(seen) };
    },
  };
}

function longestTogether(seen: readonly { at: number; holders: readonly string[] }[]): number {
  let longest = 0;
  let begun: number | undefined;
  for (const { at, holders } of seen) {
    if (holders.length > 1) begun ??= at;
    if (begun !== undefined) longest = Math.max(longest, at - begun);
    if (holders.length < 2) begun = undefined;
  }
  return longest;
}
