import type { Config } from "../config/config.ts";
import { BASE_ENV } from "../host/run.ts";
import type { NodeFacts } from "../node-facts.ts";
import { paths } from "../paths.ts";

/** The unit of the container engine that nodelet brings. */
export const OWN_ENGINE = "pf9-docker.service";

/** The unit of the host's own Docker. */
export const HOST_ENGINE = "docker.service";

/** The unit of the node's container engine. */
export function engineUnit({ runtime }: Pick<NodeFacts, "runtime">): string {
  return runtime === "bundled" ? OWN_ENGINE : HOST_ENGINE;
}

/** Where nobody listens, on the host itself: what goes there is refused within a millisecond. */
const NOWHERE = "http://127.0.0.1:9";

/**
 * Looks for the address of a name only in /etc/hosts. dockerd asks for that of every registry, to see whether it is one of
 * this host, before it goes through a proxy. @see resolv.conf(5): `attempts` is how often a query is sent
 */
const NO_QUERIES = "GODEBUG=netdns=cgo RES_OPTIONS=attempts:0";

/**
 * The text of `pf9-docker.service`: dockerd, which keeps a containerd of its own. Containers go on when it ends. Every
 * registry that is not named in the configuration is behind a proxy that does not exist, so an image that is missing is
 * known to be missing at once, without a packet leaving the host, a question to a name server included.
 */
export function renderEngineUnit({ imageRegistries }: Pick<Config, "imageRegistries">): string {
  return `[Unit]
Description=Container engine of this node, managed by nodelet
After=network-online.target
Wants=network-online.target
# However often it fails, it is tried again.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
Environment=PATH=${BASE_ENV.PATH}
Environment=HTTP_PROXY=${NOWHERE} HTTPS_PROXY=${NOWHERE} NO_PROXY=${["localhost", "127.0.0.0/8", ...imageRegistries].join(",")}${imageRegistries.length === 0 ? `\nEnvironment=${NO_QUERIES}` : ""}
ExecStart=${paths.binDir}/dockerd
ExecReload=/bin/kill -s HUP $MAINPID
Restart=always
RestartSec=1
TimeoutStartSec=120
# Containers, and what keeps them, go on.
KillMode=process
Delegate=yes
OOMScoreAdjust=-500
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`;
}

/** The bridge that Docker has by itself. */
export const DOCKER_BRIDGE = "docker0";

/**
 * Settings of daemon.json that only an engine of ours gets: nothing but the node uses it, and networks are the business of
 * the network plugin.
 *
 * @param options `hasBridge`: the host has a bridge docker0 of somebody else's, which an engine that wants none would remove
 * @returns `fixed`: what must be so; `preferred`: what others may have set otherwise
 */
export function ownEngineSettings(
  { dockerDataDir }: Pick<Config, "dockerDataDir">,
  { hasBridge }: { hasBridge: boolean },
): Record<"fixed" | "preferred", Record<string, unknown>> {
  return {
    // What is in another place is not ours, and would not be undone.
    fixed: { "data-root": dockerDataDir },
    preferred: {
      "storage-driver": "overlay2",
      bridge: hasBridge ? DOCKER_BRIDGE : "none",
      iptables: false,
      // Set by a phase, which keeps what it was before.
      "ip-forward": false,
    },
  };
}
