import { field, optional } from "../field.ts";
import { variables } from "../env-names.ts";
import { boolean, dnsName, hostAddress, integer, matching, oneOf } from "../grammar.ts";
import { openedPath } from "../grammar-host.ts";

/** Who the node is and how nodelet works on it. */
export const node = {
  role: field(oneOf(["master", "worker", "none"]), {
    alias: "ROLE",
    default: "master",
    flag: true,
    about: "What the node is: master, worker or none",
  }),
  clusterId: optional(
    matching(/^[a-zA-Z0-9._-]{1,63}$/, {
      what: "a cluster id",
      expected: "1 to 63 letters, digits, '.', '_' and '-'",
    }),
    {
      alias: "CLUSTER_ID",
      flag: true,
      about: "Name of the cluster; made up at init when not given",
    },
  ),
  nodeName: optional(dnsName("node-1"), {
    flag: true,
    about: "Name of the node in the cluster; the host name in lower case when not given",
  }),
  nodeIp: optional(hostAddress(), {
    flag: true,
    about: "Address of the node; the one of the default route when not given",
  }),
  allowWorkloadsOnMaster: field(boolean(), {
    shared: true,
    alias: "ALLOW_WORKLOADS_ON_MASTER",
    default: true,
    flag: true,
    about: "Run pods on a master too; a single node needs it",
  }),
  allowSwap: field(boolean(), {
    shared: true,
    alias: "ALLOW_SWAP",
    default: false,
    flag: true,
    about: "Leave swap on",
  }),
  cloudProvider: field(
    oneOf(["local"], {
      what: "cloud provider",
      values: ["aws", "azure", "openstack"],
    }),
    {
      alias: "CLOUD_PROVIDER_TYPE",
      default: "local",
      about: "Cloud that the node runs in; only local for now",
    },
  ),
  maxNatConn: optional(integer(1024, 2 ** 31 - 1), {
    alias: "MAX_NAT_CONN",
    about: "Entries of the connection tracking table; the kernel's own when not given",
  }),
  bundle: optional(openedPath(), {
    flag: true,
    path: true,
    about: "File of the bundle, or a stack directory; the one behind the program when not given",
  }),
  trustedKey: optional(
    matching(/^ed25519:[A-Za-z0-9+/]{43}=$/, {
      what: "a public key",
      expected: "the line in NAME.pub that nodelet bundle keygen wrote",
    }),
    {
      flag: true,
      about:
        "Public key, or on the command line its file, of the maker of the bundle; beside those in the program",
    },
  ),
  insecureBundle: field(boolean(), {
    default: false,
    flag: true,
    about: "Take a bundle that nobody trusted has signed",
  }),
  drainTimeoutSeconds: field(integer(0, 86400), {
    default: 60,
    about: "How long pods get to leave the node when it stops",
  }),
  phaseScriptTimeoutSeconds: field(integer(1, 86400), {
    default: 300,
    about: "How long a script of /etc/pf9/nodelet/phases.d may take to start or stop",
  }),
  extraEnv: field(variables(), {
    default: {},
    about: "Further variables for kube.env and the scripts of phases.d, as NAME: value",
  }),
  logMaxSizeMb: field(integer(1, 1024), {
    default: 5,
    about: "Size of kube.log in MiB at which a new one is begun",
  }),
  logMaxFiles: field(integer(1, 1000), {
    default: 10,
    about: "How many files of kube.log are kept, the current one among them",
  }),
  debug: field(boolean(), {
    alias: "DEBUG",
    default: false,
    about: "Write details to the log file",
  }),
};
