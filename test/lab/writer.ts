import type { TestNode } from "./harness.ts";

const NAMESPACE = "writes";
/** Longer than an election and shorter than what a person waits. */
const ATTEMPT_MS = 1_000;
const PAUSE_MS = 25;

/** A client that writes to the API all the time, and remembers what was acknowledged. */
export interface Writer {
  /** Milliseconds of the longest time without an acknowledged write since a moment (of `performance.now()`). */
  longestGap(since: number): number;
  /** Waits for a write that was begun after now. */
  next(): Promise<void>;
  /** Ends it. @returns the names that were acknowledged */
  stop(): Promise<string[]>;
}

/**
 * Writes from this machine, one small object after the other, through an address of the cluster. What was not acknowledged is tried again
 * under the same name.
 */
export async function startWriter(master: TestNode, address: string): Promise<Writer> {
  const read = (name: string) => master.sh(`cat /etc/pf9/kube.d/certs/${name}`);
  const tls = { ca: await read("ca.crt"), cert: await read("admin.crt"), key: await read("admin.key") };
  await master.kubectl(["create", "namespace", NAMESPACE]);
  const url = `https://${address}:6443/api/v1/namespaces/${NAMESPACE}/configmaps`;
  const acked: { name: string; at: number }[] = [];
  let ended = false;
  const write = async (name: string): Promise<boolean> => {
    const body = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } });
    const headers = { "content-type": "application/json" };
    const signal = AbortSignal.timeout(ATTEMPT_MS);
    const response = await fetch(url, { method: "POST", body, headers, tls, keepalive: false, signal }).catch(
      () => undefined,
    );
    await response?.text().catch(() => "");
    // It was written by an attempt whose answer was lost.
    return response?.status === 201 || response?.status === 409;
  };
  const loop = (async () => {
    for (let number = 0; !ended; number++) {
      const name = `w-${number}`;
      while (!ended && !(await write(name))) await Bun.sleep(PAUSE_MS);
      if (!ended) acked.push({ name, at: performance.now() });
      await Bun.sleep(PAUSE_MS);
    }
  })();
  return {
    longestGap(since) {
      const times = [since, ...acked.map(({ at }) => at).filter((at) => at > since), performance.now()];
      return Math.max(...times.slice(1).map((at, before) => at - (times[before] ?? at)));
    },
    async next() {
      const from = acked.length + 1;
      const end = performance.now() + 120_000;
      while (acked.length <= from) {
        if (performance.now() > end) throw new Error("no write was acknowledged for two minutes");
        await Bun.sleep(10);
      }
    },
    async stop() {
      ended = true;
      await loop;
      return acked.map(({ name }) => name);
    },
  };
}

/** Names of acknowledged writes that are not in the cluster. */
export async function lostWrites(master: TestNode, acked: readonly string[]): Promise<string[]> {
  const { items } = await master.get(`configmaps -n ${NAMESPACE}`);
  const there = new Set(items.map((one: { metadata: { name: string } }) => one.metadata.name));
  return acked.filter((name) => !there.has(name));
}
