import type { Ctx } from "../ctx.ts";
import { sha256 } from "../host/hash.ts";
import type { Peer } from "../peers.ts";
import type { Configured } from "./configured.ts";

/** Where the container sees its directory. */
const SEEN = "/etc/balancer";

/** The user in the container: no user of a host has this number, so nobody else can read the key. */
const USER = 64440;

/** What the load balancer is made from. */
export interface BalancerInputs {
  masters: readonly Pick<Peer, "name" | "ip">[];
  /** PEM texts: the cluster's authority, and a client certificate by which an API server says whether it is well. */
  ca: string;
  cert: string;
  key: string;
}

/** The load balancer of a node: HAProxy in a container, without any right, on loopback. */
export function balancer(
  { config, node, bundle, paths }: Pick<Ctx, "config" | "node" | "bundle" | "paths">,
  { masters, ca, cert, key }: BalancerInputs,
): Configured {
  const dir = paths.balancer;
  const command = ["haproxy", "-W", "-db", "-f"];
  const content = balancerConfig({ config, node }, masters);
  return {
    dir,
    files: [
      { path: `${dir}/haproxy.cfg`, content, mode: 0o644 },
      { path: `${dir}/ca.crt`, content: ca, mode: 0o644 },
      { path: `${dir}/health-check.pem`, content: cert + key, mode: 0o600, owner: USER, secret: true },
    ],
    check: (name) => ["haproxy", "-c", "-f", `${SEEN}/${name}`],
    // With -W a process without connections watches over the one that has them: at this signal it starts another one with
    // the new configuration on the same sockets, and the old one takes no more.
    reload: "SIGUSR2",
    spec: {
      name: "balancer",
      imageId: bundle.image("haproxy").imageId,
      command: [...command, `${SEEN}/haproxy.cfg`],
      mounts: [{ source: dir, target: SEEN, readOnly: true }],
      user: `${USER}:${USER}`,
      readOnlyRoot: true,
      oomScoreAdj: -998,
      nofile: 16384,
      logs: { maxSize: config.containerLogMaxSize, maxFiles: config.containerLogMaxFiles },
    },
  };
}

/**
 * The configuration of HAProxy.
 *
 * Connections go to the first master of the list that is well: the node's own API server on a master, so that it needs no
 * other host and no hop; elsewhere an order of the node's own, so that nodes spread over the masters. What is passed through
 * is not touched: client and API server see each other's certificates.
 *
 * @see https://docs.haproxy.org/2.6/configuration.html
 */
export function balancerConfig(
  { config, node }: Pick<Ctx, "config" | "node">,
  masters: readonly Pick<Peer, "name" | "ip">[],
): string {
  const { apiPort, balancerPort } = config;
  const servers = inOrder(masters, node.name).map(({ name, ip }) => `  server ${name} ${ip}:${apiPort}`);
  // An API server says that it is ready more than a second after it serves, and not while etcd elects a leader. When no
  // master is ready, a master asks its own, ready or not, as it would without a load balancer.
  const own = masters.some(({ name }) => name === node.name)
    ? [`  server own_when_none_is_ready ${node.ip}:${apiPort} no-check backup`]
    : [];
  return `${[
    "# Written by nodelet; changes here are undone.",
    "global",
    "  maxconn 4000",
    "  nbthread 1",
    // What an old process still carries after a reload: connections to a master that is gone must not stay.
    "  hard-stop-after 30s",
    "",
    "defaults",
    "  mode tcp",
    "  balance first",
    // A refused connection goes to the next master at once.
    "  retries 3",
    "  option redispatch 1",
    "  timeout connect 1s",
    // An answer takes a second when etcd has no leader.
    "  timeout check 2s",
    // Watches and shells of people are silent for hours; peers that are gone are told by keepalive.
    "  timeout client 24h",
    "  timeout server 24h",
    ...["cli", "srv"].flatMap((side) => [
      `  option ${side}tcpka`,
      `  ${side}tcpka-idle 30s`,
      `  ${side}tcpka-intvl 10s`,
      `  ${side}tcpka-cnt 3`,
    ]),
    "",
    "frontend api",
    `  bind 127.0.0.1:${balancerPort}`,
    "  default_backend masters",
    "",
    "backend masters",
    "  option httpchk",
    "  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host kubernetes hdr Connection close",
    "  http-check expect status 200",
    // Three failures: an election of etcd, in which no API server is ready, must not end all connections. The shorter
    // intervals hold as soon as one has failed, and see an API server that starts without a delay.
    `  default-server check inter 1s fastinter 250ms downinter 250ms rise 1 fall 3 on-marked-down shutdown-sessions`,
    `  default-server check-ssl check-sni kubernetes verify required verifyhost kubernetes`,
    `  default-server ssl-min-ver TLSv1.2 ca-file ${SEEN}/ca.crt crt ${SEEN}/health-check.pem`,
    ...servers,
    ...own,
  ].join("\n")}\n`;
}

/** The node itself first, the others in an order that is this node's own and stays when one of them comes or goes. */
function inOrder<P extends Pick<Peer, "name">>(masters: readonly P[], node: string): P[] {
  const rank = ({ name }: P) => (name === node ? "" : sha256(`${node} ${name}`));
  return masters.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
