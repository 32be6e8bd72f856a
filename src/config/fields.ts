import { controlPlane } from "./fields/control-plane.ts";
import { daemon } from "./fields/daemon.ts";
import { docker } from "./fields/docker.ts";
import { etcd } from "./fields/etcd.ts";
import { kubelet } from "./fields/kubelet.ts";
import { network } from "./fields/network.ts";
import { node } from "./fields/node.ts";
import { preflight } from "./fields/preflight.ts";

/** Every key of the configuration, by subject, in the order of the files that it is written to. */
export const fields = {
  ...node,
  ...network,
  ...controlPlane,
  ...etcd,
  ...docker,
  ...kubelet,
  ...daemon,
  ...preflight,
};

/** The same table with a heading for each subject. */
export const subjects = [
  { title: "Node", fields: node },
  { title: "Network", fields: network },
  { title: "Control plane", fields: controlPlane },
  { title: "etcd", fields: etcd },
  { title: "Docker", fields: docker },
  { title: "Kubelet", fields: kubelet },
  { title: "Daemon", fields: daemon },
  { title: "Preflight", fields: preflight },
] as const;
