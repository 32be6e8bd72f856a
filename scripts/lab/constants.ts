/** Everything of the lab carries this label, and nothing without it is ever removed. */
export const LABEL = "nodelet.lab=1";

/** State of the lab's own engine; gone after a reboot, as its processes are. */
export const RUN_DIR = "/run/nodelet-lab";

/** Images, containers and volumes of the lab's own engine. */
export const DATA_DIR = "/var/lib/nodelet-lab";

/** The engine's socket: a developer reaches it with `DOCKER_HOST=unix://…`. */
export const SOCKET = `${RUN_DIR}/docker.sock`;

/** The network of the lab hosts, and the bridge of this machine that carries it. */
export const NETWORK = {
  name: "nodelet-lab",
  bridge: "nodelet-lab0",
  subnet: "10.88.0.0/24",
  gateway: "10.88.0.1",
} as const;

/** The client of the distribution; another one earlier in PATH may not speak the engine's version. */
export const DOCKER = "/usr/bin/docker";

/** The real runc that the wrapper becomes, on this machine and in lab hosts. */
export const RUNC = "/usr/sbin/runc";

/**
 * What lab hosts have as /etc/resolv.conf: a server that refuses at once. The engine's own name server listens on a loopback
 * address, which a cluster's name server would take for itself and ask in a loop.
 */
export const RESOLV_CONF = {
  path: `${DATA_DIR}/resolv.conf`,
  text: `nameserver ${NETWORK.gateway}\n`,
} as const;
