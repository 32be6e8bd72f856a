import { field, optional } from "../field.ts";
import { boolean, integer, matching, oneOf } from "../grammar.ts";

/** How the daemon keeps the node. */
export const daemon = {
  kubeServiceState: field(oneOf(["true", "false", "ignore"]), {
    alias: "KUBE_SERVICE_STATE",
    default: "true",
    about: "Whether the daemon keeps the services running (true), stopped (false) or as they are (ignore)",
  }),
  loopInterval: field(integer(10, 3600), {
    alias: "LOOP_INTERVAL",
    default: 60,
    about: "Seconds from the end of a status check to the next; what happens in between is noticed at once",
  }),
  fullRetryCount: field(integer(2, 1000), {
    alias: "FULL_RETRY_COUNT",
    default: 10,
    about:
      "Every attempt of this number stops and starts all phases; the others only those from the failed one on",
  }),
  statusThresholdSeconds: field(integer(0, 3600), {
    alias: "PF9_STATUS_THRESHOLD_SECONDS",
    default: 0,
    about: "How long a check may fail before the daemon acts on it",
  }),
  useCgroups: field(boolean(), {
    alias: "USE_CGROUPS",
    default: true,
    about: "Run status checks in the cgroup pf9-kube-status, with limited CPU",
  }),
  cpuLimit: field(integer(1, 100), {
    alias: "CPU_LIMIT",
    default: 40,
    about: "Percent of one core that status checks may take",
  }),
  statusAddress: optional(
    matching(
      /^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d):([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3})$/,
      {
        what: "an address",
        expected: "IPv4 address and port, for example 127.0.0.1:10261",
      },
    ),
    {
      about:
        "Address where the daemon answers /healthz, /status and /metrics too; only its socket when not given",
    },
  ),
};
