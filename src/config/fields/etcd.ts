import { field } from "../field.ts";
import { integer, matching } from "../grammar.ts";
import { absolutePath } from "../grammar-host.ts";

/** The etcd member of a master. */
export const etcd = {
  etcdDataDir: field(absolutePath(), {
    alias: "ETCD_DATA_DIR",
    default: "/var/opt/pf9/etcd/data",
    flag: true,
    about: "Directory of the member's data",
  }),
  etcdClientPort: field(integer(1, 65535), {
    shared: true,
    default: 2379,
    flag: true,
    about: "Port for clients",
  }),
  etcdPeerPort: field(integer(1, 65535), {
    shared: true,
    default: 2380,
    flag: true,
    about: "Port for the other members",
  }),
  etcdHeartbeatInterval: field(integer(10, 10000), {
    shared: true,
    alias: "ETCD_HEARTBEAT_INTERVAL",
    default: 100,
    about: "Milliseconds between heartbeats of the leader",
  }),
  etcdElectionTimeout: field(integer(50, 50000), {
    shared: true,
    alias: "ETCD_ELECTION_TIMEOUT",
    default: 1000,
    about: "Milliseconds without a heartbeat before an election; at least five times the heartbeat",
  }),
  etcdQuotaBackendBytes: field(integer(64 * 2 ** 20, 8 * 2 ** 30), {
    shared: true,
    alias: "ETCD_QUOTA_BACKEND_BYTES",
    default: 2 * 2 ** 30,
    about: "Size in bytes at which etcd stops taking writes",
  }),
  etcdSnapshotCount: field(integer(100, 10_000_000), {
    shared: true,
    alias: "ETCD_SNAPSHOT_COUNT",
    default: 10000,
    about: "Transactions after which etcd writes a snapshot",
  }),
  etcdAutoCompactionRetention: field(
    matching(/^\d{1,6}[smh]?$/, {
      what: "a retention",
      expected: "hours or a duration, for example 8 or 30m",
    }),
    {
      shared: true,
      alias: "ETCD_AUTO_COMPACTION_RETENTION",
      default: "0",
      about: "History that etcd keeps, in hours or as a duration; 0 leaves compaction to the API server",
    },
  ),
};
