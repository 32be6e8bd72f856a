import { parseAddress } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import { sha256 } from "../host/hash.ts";
import type { AddressWanted } from "../host/kinds/address.ts";
import type { Configured } from "./configured.ts";

/** Where the container sees its directory. */
const SEEN = "/etc/keepalived";

/** Keepalived refuses to start where it cannot write these; of all places in a container with a read-only root, this one is not. */
const PID_FILES = ["-p", "/dev/shm/keepalived.pid", "-r", "/dev/shm/vrrp.pid"];

/** What keepalived is made from. */
export interface KeepalivedInputs {
  /** The address that the masters have in common, and where it goes on this one. */
  held: AddressWanted;
  /** Addresses of the other masters. */
  others: readonly string[];
  /** PEM texts: the cluster's authority, and a client certificate by which an API server says whether it is well. */
  ca: string;
  cert: string;
  key: string;
}

/** Keepalived as a container: it may change addresses and send raw packets, and hardly anything else. */
export function keepalived(
  ctx: Pick<Ctx, "config" | "node" | "bundle" | "paths">,
  { held, others, ca, cert, key }: KeepalivedInputs,
): Configured {
  const { config, bundle, paths } = ctx;
  const dir = paths.keepalived;
  return {
    dir,
    files: [
      {
        path: `${dir}/keepalived.conf`,
        content: keepalivedConfig(ctx, { held, others }),
        mode: 0o644,
      },
      { path: `${dir}/ca.crt`, content: ca, mode: 0o644 },
      { path: `${dir}/health-check.pem`, content: cert + key, mode: 0o600, secret: true },
    ],
    check: (name) => ["keepalived", "--config-test", "-f", `${SEEN}/${name}`],
    reload: "SIGHUP",
    alwaysChecked: true,
    spec: {
      name: "keepalived",
      imageId: bundle.image("keepalived").imageId,
      command: ["keepalived", "-n", "-l", "-P", ...PID_FILES, "-f", `${SEEN}/keepalived.conf`],
      mounts: [{ source: dir, target: SEEN, readOnly: true }],
      // SETGID: it sets the groups of its check, and complains once a second where it may not.
      capabilities: ["NET_ADMIN", "NET_RAW", "SETGID"],
      readOnlyRoot: true,
      oomScoreAdj: -998,
      logs: { maxSize: config.containerLogMaxSize, maxFiles: config.containerLogMaxFiles },
    },
  };
}

/**
 * The configuration of keepalived.
 *
 * The master whose API server is well for two seconds takes the address, when nobody has it; who has it keeps it until its own
 * API server fails three times in a row, or the host does. An election of etcd, in which no API server is ready for a second or
 * two, moves nothing.
 *
 * @see keepalived.conf(5)
 */
export function keepalivedConfig(
  { config, node }: Pick<Ctx, "config" | "node">,
  { held, others }: Pick<KeepalivedInputs, "held" | "others">,
): string {
  // Without any peer keepalived would speak to the whole network. A master that is alone speaks to the address that it holds:
  // nobody listens for it there, and the first other master comes by a reload, through which the address stays.
  const peers = others.length > 0 ? others.toSorted() : [held.address];
  return `${[
    "# Written by nodelet; changes here are undone.",
    "global_defs {",
    `  router_id ${node.name}`,
    // Only version 3 has intervals below a second. It has no authentication, and the one of version 2 would be a password in
    // the clear. What protects instead: packets count from the other masters' addresses alone, and with a TTL that no router
    // leaves as it is, so that they can only come from the same network.
    "  vrrp_version 3",
    "  vrrp_check_unicast_src",
    // Neighbours learn at once where the address is, again after a second, and every five in case they were not there.
    "  vrrp_garp_master_delay 1",
    "  vrrp_garp_master_repeat 3",
    "  vrrp_garp_master_refresh 5",
    // After a network that was cut, two have the address for a moment: who keeps it says so once more.
    "  vrrp_garp_lower_prio_delay 1",
    "  vrrp_garp_lower_prio_repeat 3",
    "  vrrp_higher_prio_send_advert true",
    "  script_user root",
    "  enable_script_security",
    "}",
    "vrrp_script api_server {",
    `  script "${checkWords(config.apiPort).join(" ")}"`,
    "  interval 1",
    "  timeout 2",
    "  fall 3",
    "  rise 2",
    "  init_fail",
    "}",
    "vrrp_instance masters {",
    "  state BACKUP",
    "  nopreempt",
    `  interface ${held.interface}`,
    `  virtual_router_id ${config.masterVipVrouterId ?? routerId(node.clusterId)}`,
    `  priority ${config.masterVipPriority ?? priorityOf(node.ip)}`,
    // Three that are missing and up to one more, by priority: 1.2 s at most.
    "  advert_int 0.3",
    `  unicast_src_ip ${node.ip}`,
    "  unicast_ttl 255",
    "  unicast_peer {",
    ...peers.map(peerLine),
    "  }",
    "  virtual_ipaddress {",
    `    ${held.address}/32 dev ${held.interface}`,
    "  }",
    "  track_script {",
    "    api_server",
    "  }",
    "}",
  ].join("\n")}\n`;
}

/** The addresses that a configuration of ours gives to a host. */
export function heldBy(text: string): AddressWanted[] {
  return [...text.matchAll(/^ {4}(\S+)\/32 dev (\S+)$/gm)].map(([, address = "", name = ""]) => ({
    interface: name,
    address,
  }));
}

/** True when a configuration of ours counts an address among the peers. */
export function listsPeer(text: string, ip: string): boolean {
  return text.split("\n").includes(peerLine(ip));
}

const peerLine = (ip: string) => `    ${ip} min_ttl 255 max_ttl 255`;

/** The own API server, and no other one's. Keepalived starts the program itself, so no shell reads these words. */
function checkWords(port: number): string[] {
  const way = [
    "--disable",
    "--noproxy",
    "*",
    "--max-time",
    "1.5",
    "--silent",
    "--fail",
    "--output",
    "/dev/null",
  ];
  const identity = ["--cacert", `${SEEN}/ca.crt`, "--cert", `${SEEN}/health-check.pem`];
  return ["/usr/local/bin/curl", ...way, ...identity, `https://127.0.0.1:${port}/readyz`];
}

/** 1 to 255, the same on all masters and most likely another one in another cluster. */
function routerId(clusterId: string): number {
  return 1 + (Number.parseInt(sha256(clusterId).slice(0, 8), 16) % 255);
}

/** 1 to 254: another one for every master of a network, so that never two take the address at the same moment. */
function priorityOf(ip: string): number {
  return 1 + Number((parseAddress(ip)?.value ?? 0n) % 254n);
}
