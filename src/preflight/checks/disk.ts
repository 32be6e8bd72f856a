import type { Check } from "../check.ts";
import { needsRoot, setting } from "../check.ts";

/**
 * Milliseconds in which 99 of 100 writes must last, by etcd's documentation.
 *
 * @see https://etcd.io/docs/v3.4/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean
 */
const GOOD_MS = 10;

/** As long as the interval of heartbeats: then a member is taken for gone while it waits for its disk. */
const BAD_MS = 100;

/** Every change of the cluster waits for this disk. */
export const diskSlow: Check = {
  code: "DiskSlow",
  level: "warning",
  title: "etcd's disk makes writes last in time",
  applies: ({ config, looking }) => config.role === "master" && looking === true,
  unseen(input) {
    const { config, facts } = input;
    return (
      needsRoot(input) ??
      (facts.syncedWrites ? undefined : `nothing could be written at ${config.etcdDataDir}`)
    );
  },
  run({ facts, config }) {
    const times = (facts.syncedWrites ?? []).toSorted((a, b) => a - b);
    const slow = times[Math.ceil(0.99 * times.length) - 1];
    if (slow === undefined || slow <= GOOD_MS) return [];
    const what =
      slow > BAD_MS
        ? "the API will be slow, and a cluster of several masters would lose its leader again and again"
        : "the API will be slow under load";
    return [
      {
        message: `Small synced writes at ${config.etcdDataDir} take ${slow.toFixed(1)} ms (99th percentile of ${times.length}); expected at most ${GOOD_MS} ms: ${what}`,
        hint: `${setting("etcdDataDir")} to a directory on an SSD that nothing else writes to, or end what keeps this disk busy`,
      },
    ];
  },
};
