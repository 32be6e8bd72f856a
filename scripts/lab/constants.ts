/** Everything of the lab carries this label, and nothing without it is ever removed. */
export const LABEL = "nodelet.lab=1";

/** State of the lab's own engine; gone after a reboot, as its processes are. */
export const RUN_DIR = "/run/nodelet-lab";

/** Images, containers and volumes of the lab's own engine. */
export const DATA_DIR = "/var/lib/nodelet-lab";

/** The engine's socket: a developer reaches it with `DOCKER_HOST=unix://…`. */
export const SOCKET = `${RUN_DIR}/docker.sock`;

/** A network of lab hosts, and the bridge of this machine that carries it. */
export interface Network {
  name: string;
  bridge: string;
  subnet: string;
  /** The address of this machine in it. */
  gateway: string;
  /** What its hosts send elsewhere is dropped. */
  internal: boolean;
}

/** The network of the lab hosts that have Docker. */
export const NETWORK: Network = {
  name: "nodelet-lab",
  bridge: "nodelet-lab0",
  subnet: "10.88.0.0/24",
  gateway: "10.88.0.1",
  internal: false,
};

/** The network of the bare lab hosts. */
export const BARE_NETWORK: Network = {
  name: "nodelet-bare",
  bridge: "nodelet-bare0",
  subnet: "10.89.0.0/24",
  gateway: "10.89.0.1",
  internal: true,
};

/** The client of the distribution; another one earlier in PATH may not speak the engine's version. */
export const DOCKER = "/usr/bin/docker";

/**
 * What lab hosts have as /etc/resolv.conf: a server that refuses at once. The engine's own name server listens on a loopback
 * address, which a cluster's name server would take for itself and ask in a loop.
 */
export const RESOLV_CONF = {
  path: `${DATA_DIR}/resolv.conf`,
  text: `nameserver ${NETWORK.gateway}\n`,
} as const;

/** What bare lab hosts have there: nothing. */
export const EMPTY_RESOLV_CONF = { path: `${DATA_DIR}/resolv-empty.conf`, text: "" } as const;
