import type { Ctx } from "../ctx.ts";
import type { MemberRecord } from "../etcd/record.ts";
import type { ContainerSpec } from "./docker.ts";

const DATA = "/var/etcd/data";
const CERTS = "/certs";

/** Go's names of the TLS 1.2 suites with forward secrecy and AEAD. */
const CIPHERS =
  "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";

/**
 * The container `etcd` of a node: one member, mutual TLS for clients and peers, plain HTTP only for metrics on loopback.
 *
 * @param record of a member that was added to the cluster of others; without one it begins a cluster, where it has no data
 * @see https://etcd.io/docs/v3.4/op-guide/configuration/
 */
export function etcdContainer(
  { config, node, bundle, paths }: Pick<Ctx, "config" | "node" | "bundle" | "paths">,
  record?: MemberRecord,
): ContainerSpec {
  const peer = `https://${node.ip}:${config.etcdPeerPort}`;
  const clients = ["127.0.0.1", node.ip]
    .map((address) => `https://${address}:${config.etcdClientPort}`)
    .join(",");
  const flags = {
    name: node.name,
    "data-dir": DATA,
    "initial-advertise-peer-urls": peer,
    "listen-peer-urls": peer,
    "advertise-client-urls": `https://${node.ip}:${config.etcdClientPort}`,
    "listen-client-urls": clients,
    "listen-metrics-urls": "http://127.0.0.1:2381",
    // Looked at only where there is no data yet; kept as they were, so that the container is.
    "initial-cluster": record?.initialCluster ?? `${node.name}=${peer}`,
    "initial-cluster-token": node.clusterId,
    "initial-cluster-state": record ? "existing" : "new",
    "strict-reconfig-check": "true",
    "client-cert-auth": "true",
    "trusted-ca-file": `${CERTS}/ca.crt`,
    "cert-file": `${CERTS}/server.crt`,
    "key-file": `${CERTS}/server.key`,
    "peer-client-cert-auth": "true",
    "peer-trusted-ca-file": `${CERTS}/ca.crt`,
    "peer-cert-file": `${CERTS}/peer.crt`,
    "peer-key-file": `${CERTS}/peer.key`,
    "cipher-suites": CIPHERS,
    "heartbeat-interval": String(config.etcdHeartbeatInterval),
    "election-timeout": String(config.etcdElectionTimeout),
    "quota-backend-bytes": String(config.etcdQuotaBackendBytes),
    "snapshot-count": String(config.etcdSnapshotCount),
    "auto-compaction-retention": config.etcdAutoCompactionRetention,
    logger: "zap",
    "log-level": config.debug ? "debug" : "info",
  };
  return {
    name: "etcd",
    imageId: bundle.image("etcd").imageId,
    command: ["etcd", ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    mounts: [
      { source: config.etcdDataDir, target: DATA, readOnly: false },
      { source: `${paths.certs}/etcd`, target: CERTS, readOnly: true },
    ],
    readOnlyRoot: true,
    // The last process that the kernel may take when memory is short.
    oomScoreAdj: -999,
    nofile: 65536,
    logs: { maxSize: config.containerLogMaxSize, maxFiles: config.containerLogMaxFiles },
  };
}
