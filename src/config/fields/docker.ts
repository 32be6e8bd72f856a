import { field } from "../field.ts";
import { boolean, integer, list, oneOf } from "../grammar.ts";
import { absolutePath, adaptSize, dockerSize, registry } from "../grammar-host.ts";

/** The container engine. */
export const docker = {
  containerRuntime: field(oneOf(["auto", "bundled", "host"]), {
    default: "auto",
    flag: true,
    about: "Container engine: the host's Docker, the one in the bundle, or auto: the host's where it has one",
  }),
  dockerDataDir: field(absolutePath(), {
    default: "/var/opt/pf9/docker",
    flag: true,
    about: "Where the bundle's container engine keeps images and containers",
  }),
  imageRegistries: field(list(registry()), {
    default: [],
    flag: true,
    about:
      "Registries that the bundle's container engine may ask, as host or host:port; all others are refused at once",
  }),
  dockerCgroupDriver: field(oneOf(["auto", "systemd", "cgroupfs"]), {
    alias: "DOCKER_CGROUP",
    default: "auto",
    // The original has the whole option of the engine here.
    adapt: (value) => (typeof value === "string" ? value.replace(/^native\.cgroupdriver=/, "") : value),
    flag: true,
    about: "Cgroup driver of Docker and the kubelet; auto keeps the one that Docker uses",
  }),
  dockerLiveRestore: field(boolean(), {
    alias: "DOCKER_LIVE_RESTORE_ENABLED",
    default: true,
    about: "Containers go on while Docker restarts",
  }),
  containerLogMaxSize: field(dockerSize(), {
    alias: "CONTAINER_LOG_MAX_SIZE",
    default: "10m",
    adapt: adaptSize,
    about: "Size at which a container's log is rotated",
  }),
  containerLogMaxFiles: field(integer(2, 1000), {
    alias: ["CONTAINER_LOG_MAX_FILES", "DOCKER_LOG_MAX_FILE"],
    default: 10,
    about: "Log files that are kept of a container",
  }),
};
